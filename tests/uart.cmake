# The card behind a serial line: test_uart starts the board's simulator. Lint, and what
# yosys has to say, of the board's own RTL. (The benches are in sim.cmake's list.)
if(TARGET spacc_board_sim)
  add_dependencies(test_uart spacc_board_sim)
  target_compile_definitions(test_uart PRIVATE SPACC_BOARD_SIM="$<TARGET_FILE:spacc_board_sim>")
  set_tests_properties(test_uart PROPERTIES TIMEOUT 300)
  add_test(NAME rtl_lint_board
    COMMAND ${VERILATOR} --lint-only -Wall ${SPACC_RTL_WAIVERS} ${SPACC_RTL_SOURCES}
            ${SPACC_BOARD_SOURCES} --top-module spacc_board)
  find_program(YOSYS yosys)
  if(YOSYS)
    string(JOIN " " board_files ${SPACC_RTL_SOURCES} ${SPACC_BOARD_SOURCES})
    add_test(NAME rtl_yosys_reads_board COMMAND ${YOSYS} -q
      -e "Resizing cell port|has no driver|implicitly declared" -p
      "read_verilog -sv -DSYNTHESIS ${board_files}
       hierarchy -check -top spacc_board
       proc
       check")
    list(GET SPACC_BOARD_SOURCES 0 1 2 board_parts)
    string(JOIN " " board_files ${board_parts})
    foreach(part uart bridge board_memory)
      foreach(family ice40 ecp5)
        add_test(NAME rtl_yosys_${family}_${part} COMMAND ${YOSYS} -q
          -e "Resizing cell port|implicitly declared" -p
          "read_verilog -sv -DSYNTHESIS ${board_files}
           hierarchy -check -top spacc_${part}
           synth_${family} -top spacc_${part}
           check -assert")
      endforeach()
    endforeach()
  endif()
endif()
