# These make allocations fail, one after the other.
foreach(name test_profile test_cost)
  target_link_libraries(${name} PRIVATE PkgConfig::CJSON ZLIB::ZLIB)
  spacc_failing_alloc(${name})
endforeach()
target_sources(test_cost PRIVATE bench/score.c)
