# As in gpu.cmake.
foreach(name test_placed test_timeline test_batch)
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "POCL_CACHE_DIR=${PROJECT_BINARY_DIR}/pocl" COST 20 TIMEOUT 300)
endforeach()
target_link_libraries(test_timeline PRIVATE PkgConfig::CJSON)
