# The scripts of ./dev accuracy, with Debian's Python: its packages are asked for there.
find_program(SPACC_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(SPACC_SYSTEM_PYTHON)
  add_test(NAME accuracy COMMAND ${SPACC_SYSTEM_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/bench/accuracy/test_accuracy.py)
  set_tests_properties(accuracy PROPERTIES SKIP_RETURN_CODE 77)
endif()
