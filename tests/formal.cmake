# The bus and the queue keep their rules (rtl/formal/), and a fault in them breaks the proof.
# Where induction closes the rules hold for ever: -b covers the cycles it starts from.
find_program(YOSYS yosys)
find_program(SMTBMC yosys-smtbmc)
find_program(Z3 z3)
if(SPACC_SIM AND YOSYS AND SMTBMC AND Z3)
  set(rtl_dir ${PROJECT_SOURCE_DIR}/rtl)
  function(spacc_proof name block)
    add_test(NAME proof_${name} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/formal.sh ${block}
      ${CMAKE_CURRENT_BINARY_DIR}/proof_${name} ${rtl_dir} ${SPACC_RTL_GENERATED}/spacc_card_pkg.sv
      ${YOSYS} ${ARGN})
    set_tests_properties(proof_${name} PROPERTIES COST 60 TIMEOUT 600)
  endfunction()
  spacc_proof(fifo_2 fifo -b 10 -i 2 -c 10 Depth=2)
  spacc_proof(fifo_5 fifo -b 10 -i 2 -c 15 Depth=5)
  spacc_proof(fifo_8 fifo -b 10 -i 2 -c 20 Depth=8)
  spacc_proof(axi_lite axi_lite -b 4 -i 2 -c 12)
  spacc_proof(dma_read dma_read -b 4 -i 1 -c 14)
  spacc_proof(dma_write dma_write -b 5 -i 1 -c 12)
  add_test(NAME proofs_notice_faults COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/formal_faults.sh
    ${CMAKE_CURRENT_BINARY_DIR}/proof_faults ${rtl_dir} ${SPACC_RTL_GENERATED}/spacc_card_pkg.sv
    ${YOSYS})
  set_tests_properties(proofs_notice_faults PROPERTIES COST 30 TIMEOUT 600)
else()
  add_test(NAME proofs COMMAND ${CMAKE_COMMAND} -E echo "skipped: no yosys-smtbmc or no z3")
endif()
