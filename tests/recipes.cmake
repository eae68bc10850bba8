# The training side, models/recipes: masks, pruner and export against the program.
add_test(NAME recipes
  COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/recipes.sh $<TARGET_FILE:spacc_cli> ${PROJECT_SOURCE_DIR})
set_tests_properties(recipes PROPERTIES SKIP_RETURN_CODE 77)
