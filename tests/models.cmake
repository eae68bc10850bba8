# These make allocations fail, one after the other.
foreach(name test_onnx_oom test_clean_oom test_ops_oom)
  if(TARGET ${name})
    spacc_failing_alloc(${name})
  endif()
endforeach()

# fuzz_onnx, fuzz_npy: libFuzzer programs; run them by hand with a corpus folder. The
# sources are built once more, with coverage: the other programs do not link the
# fuzzer's part.
if(SPACC_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SPACC_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
  endif()
  file(GLOB models_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/models/*.c)
  set(schema ${PROJECT_BINARY_DIR}/models/onnx.pb-c.c)
  set_source_files_properties(${schema} PROPERTIES COMPILE_OPTIONS -w) # not our code
  add_library(fuzz_models OBJECT ${models_sources} ${schema} ${PROJECT_SOURCE_DIR}/sparse/status.c)
  add_dependencies(fuzz_models spacc_onnx_schema)
  target_link_libraries(fuzz_models PUBLIC spacc_flags PkgConfig::PROTOBUF_C ZLIB::ZLIB m)
  target_compile_options(fuzz_models PRIVATE -fsanitize=fuzzer-no-link,address,undefined)
  foreach(name fuzz_onnx fuzz_npy)
    add_executable(${name} ${name}.c)
    target_link_libraries(${name} PRIVATE fuzz_models)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  endforeach()
endif()
