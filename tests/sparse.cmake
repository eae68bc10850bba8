# Programs of sparse/ that are not plain tests.
add_executable(oom_sparse oom_sparse.c)
target_link_libraries(oom_sparse PRIVATE spacc_static PkgConfig::CJSON PkgConfig::CMOCKA)
target_link_options(oom_sparse PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
add_test(NAME oom_sparse COMMAND oom_sparse)

if(SPACC_FUZZ)
  add_executable(fuzz_pack fuzz_pack.c)
  target_link_libraries(fuzz_pack PRIVATE spacc_static)
  target_compile_options(fuzz_pack PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_pack PRIVATE -fsanitize=fuzzer)
endif()
