# These make allocations fail, one after the other.
foreach(name test_profile)
  target_link_libraries(${name} PRIVATE PkgConfig::CJSON)
  spacc_failing_alloc(${name})
endforeach()
