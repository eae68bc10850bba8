# Block benches of sim/, each with two seeds; the RTL is linted as it is simulated.
if(SPACC_SIM)
  foreach(name ${SPACC_BENCHES})
    add_test(NAME ${name} COMMAND ${name})
    add_test(NAME ${name}_other_seed COMMAND ${name} 20250117)
  endforeach()
  # The contract asks the library whether it has a simulator.
  target_compile_definitions(test_card_contract PRIVATE SPACC_SIM=1)
  set_tests_properties(test_card_contract PROPERTIES TIMEOUT 300)
else()
  target_compile_definitions(test_card_contract PRIVATE SPACC_SIM=0)
endif()
