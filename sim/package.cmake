# spacc_mmiosim_BOARD: the server of files around the card of a board, Verilated from the folder
# that boards/package.py makes for the board's vendor tools, and from nothing else.
set(package_maker ${PROJECT_SOURCE_DIR}/boards/package.py)
set(package_facts ${PROJECT_SOURCE_DIR}/boards/boards.toml ${PROJECT_SOURCE_DIR}/boards/synth.py
                  ${PROJECT_SOURCE_DIR}/rtl/card.toml ${PROJECT_SOURCE_DIR}/rtl/generate.py)

function(spacc_package_sim board)
  string(MAKE_C_IDENTIFIER ${board} name)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/package_${name})
  set(prefix Vspacc_${name})
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${prefix})
  set(sources)
  foreach(source ${SPACC_RTL_SOURCES})
    get_filename_component(file ${source} NAME)
    list(APPEND sources rtl/${file})
  endforeach()
  add_custom_command(
    OUTPUT ${dir}/${prefix}__all.cpp ${dir}/${prefix}.h
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${dir} ${folder}
    COMMAND Python3::Interpreter ${package_maker} ${board} --out ${folder}
    COMMAND ${CMAKE_COMMAND} -E chdir ${folder}
            ${VERILATOR} --cc --Mdir ${dir} --prefix ${prefix} --top-module spacc_kernel
            -O3 -fno-dfg --assert --x-assign unique --x-initial unique -Wno-lint -Wno-style
            ${SPACC_RTL_WAIVERS} ${sources} spacc_kernel.v
    COMMAND ${CMAKE_COMMAND} -DDIR=${dir} -DPREFIX=${prefix}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/amalgamate.cmake
    DEPENDS ${package_maker} ${package_facts} ${SPACC_RTL_SOURCES} amalgamate.cmake spacc_card_map
    VERBATIM
    COMMENT "Verilating the package of ${board}")
  set(SPACC_PREFIX ${prefix})
  set(SPACC_CONFIG ${board})
  set(SPACC_TABLE spacc_model_${name})
  set(SPACC_TRACES 0)
  configure_file(model_instance.cpp.in model_${name}.cpp @ONLY)
  set(SPACC_TABLES_DECLARED "extern const struct spacc_model_ops ${SPACC_TABLE};\n")
  set(SPACC_TABLES_LISTED "    &${SPACC_TABLE},\n")
  configure_file(models.c.in models_${name}.c @ONLY)
  set_source_files_properties(${dir}/${prefix}__all.cpp PROPERTIES COMPILE_OPTIONS "${foreign_options};-O3")
  set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/model_${name}.cpp PROPERTIES
    COMPILE_OPTIONS "-O3;-isystem;${dir}" OBJECT_DEPENDS ${dir}/${prefix}.h)
  # Its own table of models comes before that of the library.
  add_executable(spacc_mmiosim_${name} ${ARGN} mmiosim.c ${CMAKE_CURRENT_BINARY_DIR}/models_${name}.c
                 ${CMAKE_CURRENT_BINARY_DIR}/model_${name}.cpp ${dir}/${prefix}__all.cpp)
  target_link_libraries(spacc_mmiosim_${name} PRIVATE spacc_verilated spacc_static)
endfunction()

spacc_package_sim(pynq-z2)
spacc_package_sim(kv260 EXCLUDE_FROM_ALL)
spacc_package_sim(u50 EXCLUDE_FROM_ALL)
