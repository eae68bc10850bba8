# Line and toggle coverage of the RTL by the benches; prints a table by module (about 150 s of one
# core). The builds of sanitizers run the same RTL and would measure the same.
if(SPACC_SIM AND NOT SPACC_SANITIZE)
  add_test(NAME coverage COMMAND ${CMAKE_COMMAND} -E env VERILATOR=${VERILATOR}
    ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/coverage/coverage.py --jobs 1
    --build ${PROJECT_BINARY_DIR}/coverage)
  set_tests_properties(coverage PROPERTIES TIMEOUT 1200 COST 250)
else()
  add_test(NAME coverage COMMAND ${CMAKE_COMMAND} -E echo "skipped: no simulator, or sanitizers")
endif()
