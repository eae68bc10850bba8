# test_onnx_oom makes allocations fail, one after the other.
if(TARGET test_onnx_oom)
  target_link_options(test_onnx_oom PRIVATE
    -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
endif()

# fuzz_onnx, fuzz_npy: libFuzzer programs; run them by hand with a corpus folder.
if(SPACC_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SPACC_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
  endif()
  foreach(name fuzz_onnx fuzz_npy)
    add_executable(${name} ${name}.c)
    target_link_libraries(${name} PRIVATE spacc_static)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
