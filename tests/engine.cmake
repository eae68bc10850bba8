add_custom_target(engine_tests DEPENDS test_engine test_engine_joins test_seernet_engine)
add_custom_target(sanitized_tests
  DEPENDS test_conformance test_engine_joins test_kernels test_rnn_fused test_ops test_clean_passes)
# The engine in a build without oneDNN and without the simulator: convolutions and pools on our own
# loops and OpenBLAS. About 20 s of one core with a warm ccache.
if(NOT SPACC_SANITIZE AND NOT SPACC_ONEDNN STREQUAL "OFF")
  set(openblas_dir ${PROJECT_BINARY_DIR}/openblas)
  add_test(NAME engine_openblas COMMAND ${CMAKE_CTEST_COMMAND}
    --build-and-test ${PROJECT_SOURCE_DIR} ${openblas_dir}
    --build-generator ${CMAKE_GENERATOR} --build-target engine_tests --build-options
      -DSPACC_ONEDNN=OFF -DSPACC_SIM=OFF -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
      -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
    --test-command sh -c "tests/test_engine_joins && tests/test_seernet_engine && tests/test_engine")
  set_tests_properties(engine_openblas PROPERTIES TIMEOUT 900 COST 60)
endif()
# The tests that meet the oddest shapes, under AddressSanitizer and UBSan. About 60 s of one core
# with a warm ccache, three minutes with a cold one.
if(NOT SPACC_SANITIZE AND NOT SPACC_ONEDNN STREQUAL "OFF")
  set(sanitized_dir ${PROJECT_BINARY_DIR}/sanitized)
  add_test(NAME engine_sanitized COMMAND ${CMAKE_CTEST_COMMAND}
    --build-and-test ${PROJECT_SOURCE_DIR} ${sanitized_dir}
    --build-generator ${CMAKE_GENERATOR} --build-target sanitized_tests --build-options
      -DSPACC_SANITIZE=ON -DSPACC_SIM=OFF -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
      -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
    --test-command sh -ec "for t in conformance engine_joins kernels rnn_fused ops clean_passes; do tests/test_$t; done")
  set_tests_properties(engine_sanitized PROPERTIES TIMEOUT 900 COST 90)
endif()
# These make allocations fail, one after the other.
spacc_failing_alloc(test_arena)
spacc_failing_alloc(test_engine_oom)
spacc_failing_alloc(test_profiler)
# This one answers for the energy counter.
target_link_options(test_meter PRIVATE -Wl,--wrap=fopen)
