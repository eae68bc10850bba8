# Kernels for CPUs that need not be here, emulated. Where a package is missing the test says so.
function(spacc_skipped name why)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${why}")
endfunction()

# AVX-512 by SIMDe's plain C: emulated/immintrin.h comes before the compiler's. These objects
# stand before the library, whose own AVX-512 files are then not taken.
find_path(SIMDE_INCLUDE simde/x86/avx512.h)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND SIMDE_INCLUDE)
  set(sources ${PROJECT_SOURCE_DIR}/sparse)
  add_library(emulated_avx512 OBJECT ${sources}/kernels_avx512.c ${sources}/kernels_avx512_vnni.c
    ${sources}/kernels_avx512_fp16.c ${sources}/cells_avx512.c ${sources}/seernet_avx512.c
    ${sources}/seernet_amx.c)
  target_include_directories(emulated_avx512 PRIVATE emulated ${PROJECT_SOURCE_DIR})
  target_compile_options(emulated_avx512 PRIVATE -O1 -w -ffp-contract=off)
  add_executable(test_kernels_avx512 test_kernels.c)
  target_link_libraries(test_kernels_avx512 PRIVATE emulated_avx512 spacc_static PkgConfig::CMOCKA)
  target_compile_definitions(test_kernels_avx512 PRIVATE
    "SPACC_TEST_FEATURES=(spacc_cpu_features()|SPACC_CPU_AVX512|SPACC_CPU_VBMI_VNNI|SPACC_CPU_FP16)")
  add_test(NAME test_kernels_avx512 COMMAND test_kernels_avx512)
  # SeerNet's, and AMX by the tiles of emulated/immintrin.h itself.
  foreach(name test_seernet test_seernet_int8)
    add_executable(${name}_amx ${name}.c)
    target_link_libraries(${name}_amx PRIVATE emulated_avx512 spacc_static PkgConfig::CMOCKA)
    target_compile_definitions(${name}_amx PRIVATE
      "SPACC_TEST_FEATURES=(spacc_cpu_features()|SPACC_CPU_AVX512|SPACC_CPU_VBMI_VNNI|SPACC_CPU_AMX)")
    add_test(NAME ${name}_amx COMMAND ${name}_amx)
  endforeach()
else()
  spacc_skipped(test_kernels_avx512 "libsimde-dev is not installed, or this is no x86-64")
  spacc_skipped(test_seernet_int8_amx "libsimde-dev is not installed, or this is no x86-64")
  spacc_skipped(test_seernet_amx "libsimde-dev is not installed, or this is no x86-64")
endif()

# NEON by a cross compiler and QEMU's user mode, with the warnings that all of it has.
find_program(AARCH64_CC aarch64-linux-gnu-gcc)
find_program(QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(AARCH64_CC AND QEMU_AARCH64)
  set(program ${CMAKE_CURRENT_BINARY_DIR}/test_kernels_neon)
  set(sources ${CMAKE_CURRENT_SOURCE_DIR}/test_kernels.c)
  foreach(name status csb prune cpu tile kernels kernels_scalar kernels_neon cells cells_scalar
          cells_neon rnn)
    list(APPEND sources ${PROJECT_SOURCE_DIR}/sparse/${name}.c)
  endforeach()
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/sparse/*.h emulated/cmocka.h)
  add_custom_command(OUTPUT ${program}
    COMMAND ${AARCH64_CC} -std=c11 -D_POSIX_C_SOURCE=200809L -O3 -ffp-contract=off
      -fno-trapping-math -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -static
      -I${CMAKE_CURRENT_SOURCE_DIR}/emulated -I${PROJECT_SOURCE_DIR} ${sources} -lm -o ${program}
    DEPENDS ${sources} ${headers} VERBATIM)
  add_custom_target(kernels_neon ALL DEPENDS ${program})
  add_test(NAME test_kernels_neon COMMAND ${QEMU_AARCH64} ${program})
else()
  spacc_skipped(test_kernels_neon "no aarch64-linux-gnu-gcc or qemu-aarch64")
endif()

add_executable(oom_kernels oom_kernels.c)
target_link_libraries(oom_kernels PRIVATE spacc_static PkgConfig::CMOCKA)
spacc_failing_alloc(oom_kernels)
add_test(NAME oom_kernels COMMAND oom_kernels)

# What is left where SPACC_CPU allows nothing.
add_test(NAME test_kernels_scalar COMMAND test_kernels)
set_tests_properties(test_kernels_scalar PROPERTIES ENVIRONMENT SPACC_CPU=scalar)

# Uninitialised and stray reads of the kernels this CPU has; sanitizers do it themselves.
find_program(VALGRIND valgrind)
if(VALGRIND AND NOT SPACC_SANITIZE)
  add_test(NAME test_kernels_valgrind
    COMMAND ${VALGRIND} -q --error-exitcode=9 --leak-check=full $<TARGET_FILE:test_kernels>)
  add_test(NAME test_rnn_fused_valgrind
    COMMAND ${VALGRIND} -q --error-exitcode=9 --leak-check=full $<TARGET_FILE:test_rnn_fused>)
else()
  spacc_skipped(test_kernels_valgrind "valgrind is not installed, or this build has sanitizers")
endif()
