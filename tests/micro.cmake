# The micro card of the smallest boards: lint, and the Verilated board of it behind its serial line.
if(TARGET spacc_board_micro_sim)
  add_test(NAME micro COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/micro.sh $<TARGET_FILE:spacc_cli>
    $<TARGET_FILE:spacc_board_micro_sim> ${PROJECT_SOURCE_DIR})
  set_tests_properties(micro PROPERTIES TIMEOUT 300)
  add_test(NAME rtl_lint_board_micro
    COMMAND ${VERILATOR} --lint-only -Wall ${SPACC_RTL_WAIVERS} ${SPACC_RTL_SOURCES}
            ${SPACC_BOARD_SOURCES} --top-module spacc_board_micro)
endif()
