# The page shows the recorded results of synthesis, and the estimate still is what yosys says of
# some blocks (about 20 s; whole boards take minutes: ./dev synth BOARD).
add_test(NAME boards_page_is_fresh
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/boards/generate.py --check-page)
find_program(YOSYS yosys)
if(YOSYS)
  add_test(NAME boards_estimate_is_that_of_yosys
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/boards/fit.py check)
  set_tests_properties(boards_estimate_is_that_of_yosys PROPERTIES
    TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
