# tests/mutate still tells a fault that the benches notice from none. (All of it: ./dev mutate.)
if(SPACC_SIM AND NOT SPACC_SANITIZE)
  add_test(NAME mutants COMMAND ${CMAKE_COMMAND} -E env VERILATOR=${VERILATOR}
    ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/mutate/check.py ${PROJECT_BINARY_DIR}/mutate)
  set_tests_properties(mutants PROPERTIES TIMEOUT 600 COST 30)
else()
  add_test(NAME mutants COMMAND ${CMAKE_COMMAND} -E echo "skipped: no simulator, or sanitizers")
endif()
