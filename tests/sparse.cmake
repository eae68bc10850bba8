# Programs of sparse/ that are not plain tests.
add_executable(oom_sparse oom_sparse.c)
target_link_libraries(oom_sparse PRIVATE spacc_static PkgConfig::CJSON PkgConfig::CMOCKA)
spacc_failing_alloc(oom_sparse)
add_test(NAME oom_sparse COMMAND oom_sparse)

# The sources once more, with coverage: the other programs do not link the fuzzer's part.
if(SPACC_FUZZ)
  file(GLOB sparse_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/sparse/*.c)
  list(FILTER sparse_sources EXCLUDE REGEX "/(cells|cpu|gram|kernels|obs|prune_obs|rnn|seernet|tile)[^/]*$")
  add_executable(fuzz_pack fuzz_pack.c ${sparse_sources})
  target_link_libraries(fuzz_pack PRIVATE spacc_flags PkgConfig::CJSON ZLIB::ZLIB m)
  target_compile_options(fuzz_pack PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(fuzz_pack PRIVATE -fsanitize=fuzzer,address,undefined)
  add_dependencies(fuzz_pack spacc_card_map)
endif()
# They set the number of OpenBLAS' threads themselves.
target_link_libraries(test_gram PRIVATE PkgConfig::OPENBLAS)
target_link_libraries(test_prune_obs PRIVATE PkgConfig::OPENBLAS)
