# PoCL keeps compiled kernels: here, not in somebody's home.
foreach(name test_gpu test_gpu_conformance test_gpu_models test_gpu_oom test_opencl test_placing)
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "POCL_CACHE_DIR=${PROJECT_BINARY_DIR}/pocl" COST 30 TIMEOUT 600)
endforeach()

# Makes allocations fail, one after the other.
spacc_failing_alloc(test_gpu_oom)
