# What boards/package.py makes, and the latencies that DEPLOY.md states.
add_test(NAME packages COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/test_package.py)
set_tests_properties(packages PROPERTIES TIMEOUT 300)
add_test(NAME deploy_page_is_fresh
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/boards/latency.py --spacc $<TARGET_FILE:spacc_cli>
          --check-page)
