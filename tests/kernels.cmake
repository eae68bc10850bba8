# The benchmark of the products; with OpenBLAS as its baseline where that is installed.
add_executable(bench_spmxv bench/spmxv.c)
target_link_libraries(bench_spmxv PRIVATE spacc_static)
target_compile_options(bench_spmxv PRIVATE -O3)
pkg_check_modules(OPENBLAS QUIET IMPORTED_TARGET openblas)
if(OPENBLAS_FOUND)
  target_link_libraries(bench_spmxv PRIVATE PkgConfig::OPENBLAS)
  target_compile_definitions(bench_spmxv PRIVATE SPACC_OPENBLAS=1)
endif()
