# A small board: spacc_board_sim, and the benches of its parts. Their RTL is a list of its
# own: the library does not need it. (Included at the end of sim/CMakeLists.txt.)
set(board_rtl ${PROJECT_SOURCE_DIR}/rtl)
set(SPACC_BOARD_SOURCES ${board_rtl}/spacc_uart.sv ${board_rtl}/spacc_bridge.sv
    ${board_rtl}/spacc_board_memory.sv ${board_rtl}/boards/spacc_board.sv
    ${board_rtl}/spacc_micro_memory.sv ${board_rtl}/spacc_micro_regs.sv ${board_rtl}/spacc_micro.sv
    ${board_rtl}/boards/spacc_board_micro.sv)
set(SPACC_BOARD_SOURCES ${SPACC_BOARD_SOURCES} PARENT_SCOPE)

# As spacc_verilate(), with the board's sources behind the card's.
function(spacc_verilate_board out_source prefix top)
  set(SPACC_RTL_SOURCES ${SPACC_RTL_SOURCES} ${SPACC_BOARD_SOURCES})
  spacc_verilate(source ${prefix} ${top} ${ARGN})
  set(${out_source} ${source} PARENT_SCOPE)
endfunction()

function(spacc_board_program name main prefix options)
  get_filename_component(dir ${source} DIRECTORY)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${foreign_options};${options}")
  set_source_files_properties(${main} PROPERTIES
    COMPILE_OPTIONS "-Wno-conversion;-Wno-shadow" OBJECT_DEPENDS ${dir}/${prefix}.h)
  add_executable(${name} ${main} ${source})
  target_include_directories(${name} SYSTEM PRIVATE ${dir})
  target_link_libraries(${name} PRIVATE spacc_verilated spacc_flags)
endfunction()

# Four clocks a bit and a short gap: a frame takes milliseconds. The card is as 4x4 of
# card.toml, which is what spacc_board has by default.
spacc_verilate_board(source Vspacc_board spacc_board -GClockHz=200000000 -GBaud=50000000
                     -GGapClocks=20000 -GMemoryBytes=1048576)
spacc_board_program(spacc_board_sim ${CMAKE_CURRENT_SOURCE_DIR}/board/board.cpp Vspacc_board -O3)

# The same program around the micro card.
spacc_verilate_board(source Vspacc_board_micro spacc_board_micro -GClockHz=200000000 -GBaud=50000000
                     -GGapClocks=20000)
get_filename_component(micro_dir ${source} DIRECTORY)
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/micro/Vspacc_board.h CONTENT
     "#include \"Vspacc_board_micro.h\"\nusing Vspacc_board = Vspacc_board_micro;\n" @ONLY)
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/micro/board.cpp CONTENT
     "#include \"sim/board/board.cpp\"\n" @ONLY)
spacc_board_program(spacc_board_micro_sim ${CMAKE_CURRENT_BINARY_DIR}/micro/board.cpp Vspacc_board_micro -O3)
target_include_directories(spacc_board_micro_sim BEFORE PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/micro)

if(BUILD_TESTING)
  foreach(part uart bridge board_memory micro)
    set(bench ${CMAKE_CURRENT_SOURCE_DIR}/board/tb_${part}.cpp)
    file(STRINGS ${bench} options REGEX "^// verilator:")
    string(REGEX REPLACE "^// verilator: *" "" options "${options}")
    separate_arguments(options UNIX_COMMAND "${options}")
    spacc_verilate_board(source Vspacc_${part} spacc_${part} ${options})
    spacc_board_program(tb_${part} ${bench} Vspacc_${part} -O1)
    list(APPEND bench_names tb_${part})
  endforeach()
  set(SPACC_BENCHES ${bench_names} PARENT_SCOPE)
endif()
