# Script tests of the program: sh tests/cli/NAME.sh PROGRAM SOURCE_DIR SIM(0|1).
# 77 is "skipped", and the script has said why.
file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/cli/*.sh)
list(FILTER scripts EXCLUDE REGEX "/lib\\.sh$")
foreach(script ${scripts})
  get_filename_component(name ${script} NAME_WE)
  add_test(NAME cli_${name}
    COMMAND sh ${script} $<TARGET_FILE:spacc_cli> ${PROJECT_SOURCE_DIR} $<BOOL:${SPACC_SIM}>)
  set_tests_properties(cli_${name} PROPERTIES SKIP_RETURN_CODE 77
    ENVIRONMENT "POCL_CACHE_DIR=${PROJECT_BINARY_DIR}/pocl")
endforeach()
