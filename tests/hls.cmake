# The C kernel once a configuration, each a function of its own. Its pragmas are for Vitis HLS.
set(hls_configs ${SPACC_CONFIGS})
foreach(config ${hls_configs})
  add_library(spacc_hls_${config} OBJECT ${PROJECT_SOURCE_DIR}/hls/spacc_card.c)
  target_link_libraries(spacc_hls_${config} PRIVATE spacc_flags)
  target_compile_definitions(spacc_hls_${config} PRIVATE
    SPACC_KERNEL_CONFIG=${config} spacc_card=spacc_hls_${config})
  target_compile_options(spacc_hls_${config} PRIVATE -O2 -Wno-unknown-pragmas)
  add_dependencies(spacc_hls_${config} spacc_card_map)
  target_link_libraries(test_hls PRIVATE spacc_hls_${config})
  target_link_libraries(test_hls_rtl PRIVATE spacc_hls_${config})
endforeach()
# Sessions open cards by name; the test has one more.
target_link_options(test_hls PRIVATE -Wl,--wrap=spacc_card_open)
foreach(name test_hls test_hls_rtl)
  target_compile_definitions(${name} PRIVATE SPACC_BUILD="${PROJECT_BINARY_DIR}")
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "POCL_CACHE_DIR=${PROJECT_BINARY_DIR}/pocl" COST 30 TIMEOUT 600)
  if(SPACC_SANITIZE) # as in placing.cmake
    set_property(TEST ${name} APPEND PROPERTY
      ENVIRONMENT "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan.txt:use_tls=0")
  endif()
endforeach()
add_test(NAME hls_pragmas
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/test_hls_pragmas.py ${PROJECT_SOURCE_DIR})
