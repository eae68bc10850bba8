# As in gpu.cmake.
foreach(name test_placed test_timeline test_batch)
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "POCL_CACHE_DIR=${PROJECT_BINARY_DIR}/pocl" COST 20 TIMEOUT 300)
endforeach()
target_link_libraries(test_timeline PRIVATE PkgConfig::CJSON)

# A cold cache has PoCL compile, which leaves memory behind.
if(SPACC_SANITIZE)
  foreach(name test_gpu test_gpu_conformance test_gpu_models test_placing test_placed test_timeline
      test_batch)
    set_property(TEST ${name} APPEND PROPERTY
      ENVIRONMENT "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan.txt:use_tls=0")
  endforeach()
endif()

# Makes allocations fail, one after the other.
spacc_failing_alloc(test_placing)
