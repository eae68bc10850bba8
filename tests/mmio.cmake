# Mapped cards: test_mmio and cli/mmio.sh start the server of files.
target_compile_definitions(test_mmio PRIVATE SPACC_SIM=$<BOOL:${SPACC_SIM}>)
spacc_failing_alloc(test_mmio)
if(SPACC_SIM)
  add_dependencies(test_mmio spacc_mmiosim)
  target_compile_definitions(test_mmio PRIVATE SPACC_MMIOSIM="$<TARGET_FILE:spacc_mmiosim>")
  set_tests_properties(test_mmio PROPERTIES TIMEOUT 300)
endif()
