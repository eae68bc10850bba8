# test_pool makes threads fail to start; it runs once more under ThreadSanitizer, which wants to
# choose addresses itself (setarch -R).
target_link_options(test_pool PRIVATE -Wl,--wrap=pthread_create)

if(NOT SPACC_SANITIZE)
  add_executable(pool_tsan test_pool.c
    ${PROJECT_SOURCE_DIR}/scheduler/pool.c ${PROJECT_SOURCE_DIR}/sparse/status.c)
  target_link_libraries(pool_tsan PRIVATE spacc_flags PkgConfig::CMOCKA)
  target_compile_options(pool_tsan PRIVATE -fsanitize=thread)
  target_link_options(pool_tsan PRIVATE -fsanitize=thread -Wl,--wrap=pthread_create)
  add_test(NAME pool_tsan COMMAND setarch -R $<TARGET_FILE:pool_tsan>)
endif()
