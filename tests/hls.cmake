# The C kernels (hls/CMakeLists.txt) in this process.
foreach(config ${SPACC_CONFIGS})
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
# Behind the calls of XRT.
if(SPACC_SIM)
  add_dependencies(test_xrt spacc_xrtsim)
  target_compile_definitions(test_xrt PRIVATE SPACC_XRTSIM_LIB="$<TARGET_FILE:spacc_xrtsim>")
endif()
