# Makes allocations fail, one after the other.
spacc_failing_alloc(test_prune_oom)
