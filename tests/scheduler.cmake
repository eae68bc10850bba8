# These make allocations fail, one after the other.
foreach(name test_profile test_cost)
  target_link_libraries(${name} PRIVATE PkgConfig::CJSON ZLIB::ZLIB)
  spacc_failing_alloc(${name})
endforeach()
target_sources(test_cost PRIVATE bench/score.c)

# The sources once more, with coverage: the other programs do not link the fuzzer's part.
if(SPACC_FUZZ)
  file(GLOB predict_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scheduler/predict/*.c
    ${PROJECT_SOURCE_DIR}/scheduler/profile*.c)
  add_executable(fuzz_profile fuzz_profile.c ${predict_sources}
    ${PROJECT_SOURCE_DIR}/scheduler/work.c ${PROJECT_SOURCE_DIR}/sparse/status.c)
  target_link_libraries(fuzz_profile PRIVATE spacc_flags PkgConfig::CJSON ZLIB::ZLIB m)
  target_compile_options(fuzz_profile PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(fuzz_profile PRIVATE -fsanitize=fuzzer,address,undefined)
endif()
