# The RTL is linted, its generated page is fresh, and every bench of sim/ passes with two
# seeds.
add_test(NAME rtl_page_is_fresh
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/rtl/generate.py
          --toml ${PROJECT_SOURCE_DIR}/rtl/card.toml
          --check-page ${PROJECT_SOURCE_DIR}/rtl/CARD.md)
if(SPACC_SIM)
  foreach(name ${SPACC_BENCHES})
    add_test(NAME ${name} COMMAND ${name})
    add_test(NAME ${name}_other_seed COMMAND ${name} 20250117)
  endforeach()
  foreach(config ${SPACC_CONFIGS})
    add_test(NAME rtl_lint_${config}
      COMMAND ${VERILATOR} --lint-only -Wall ${SPACC_RTL_WAIVERS} ${SPACC_RTL_SOURCES}
              ${SPACC_RTL_GENERATED}/spacc_card_${config}.sv --top-module spacc_card_${config})
  endforeach()
  # The contract asks the library whether it has a simulator.
  target_compile_definitions(test_card_contract PRIVATE SPACC_SIM=1)
  set_tests_properties(test_card_contract PROPERTIES TIMEOUT 300)
else()
  target_compile_definitions(test_card_contract PRIVATE SPACC_SIM=0)
endif()
