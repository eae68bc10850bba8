# yosys accepts the card without the warnings that mean a misread source, and its netlist
# does what the RTL does. (Lint and the benches are in sim.cmake.)
find_program(YOSYS yosys)
if(SPACC_SIM AND YOSYS)
  string(JOIN " " rtl_files ${SPACC_RTL_SOURCES} ${SPACC_RTL_GENERATED}/spacc_card_4x4.sv)
  add_test(NAME rtl_yosys_reads_it COMMAND ${YOSYS} -q
    -e "Resizing cell port|has no driver|implicitly declared" -p
    "read_verilog -sv -DSYNTHESIS ${rtl_files}
     hierarchy -check -top spacc_card_4x4
     proc
     check")
  foreach(kind int16 packed ice40)
    add_test(NAME rtl_netlist_${kind} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/rtl_netlist.sh
      ${kind} ${CMAKE_CURRENT_BINARY_DIR}/netlist_${kind} ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
      ${VERILATOR} ${YOSYS} ${SPACC_RTL_SOURCES})
    set_tests_properties(rtl_netlist_${kind} PROPERTIES TIMEOUT 1200 COST 300)
  endforeach()
endif()
