# cmake --install into an empty prefix, then a program of someone else by pkg-config.
add_test(NAME install
  COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/install.sh $<TARGET_FILE:spacc_cli> ${PROJECT_SOURCE_DIR}
    $<BOOL:${SPACC_SIM}> ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER}
    "$<$<BOOL:${SPACC_SANITIZE}>:-fsanitize=address,undefined>")
set_tests_properties(install PROPERTIES SKIP_RETURN_CODE 77)
