# Every command in a block of README.md marked ```sh run works, and its tables are what the
# program prints.
add_test(NAME readme
  COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/readme.sh $<TARGET_FILE:spacc_cli> ${PROJECT_SOURCE_DIR}
    $<BOOL:${SPACC_SIM}>)
set_tests_properties(readme PROPERTIES SKIP_RETURN_CODE 77)
