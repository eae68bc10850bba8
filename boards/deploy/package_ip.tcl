# package_ip.tcl - the card as an IP for Vivado's catalog. All facts come from card.tcl beside it.
#
#     spacc_package_ip FOLDER     makes the project FOLDER/project and the IP FOLDER/ip
set spacc_home [file dirname [file normalize [info script]]]
source [file join $spacc_home card.tcl]

# Registers by name, for register_map of PYNQ and for Vitis' own kernel.xml.
proc spacc_add_registers {core} {
    global card
    set map [ipx::add_memory_map -quiet $card(control) $core]
    set block [ipx::add_address_block -quiet reg0 $map]
    set_property range $card(control_bytes) $block
    set_property width 32 $block
    set_property slave_memory_map_ref $card(control) [ipx::get_bus_interfaces $card(control) -of_objects $core]
    foreach register $card(registers) {
        lassign $register name offset bits master text
        set it [ipx::add_register $name $block]
        set_property address_offset $offset $it
        set_property size $bits $it
        set_property description $text $it
        if {$master ne ""} {
            set parameter [ipx::add_register_parameter ASSOCIATED_BUSIF $it]
            set_property value $master $parameter
        }
    }
}

# Vivado infers interfaces from the names of ports: the AXI ones always, single signals not in all versions.
proc spacc_add_interfaces {core} {
    global card
    foreach {port kind} {ap_clk clock_rtl ap_rst_n reset_rtl interrupt interrupt_rtl} {
        if {[ipx::get_bus_interfaces -quiet $port -of_objects $core] eq ""} {
            ipx::infer_bus_interface $port xilinx.com:signal:$kind:1.0 $core
        }
    }
    set sensitivity [ipx::add_bus_parameter -quiet SENSITIVITY [ipx::get_bus_interfaces interrupt -of_objects $core]]
    set_property value LEVEL_HIGH $sensitivity
    foreach bus [list $card(control) $card(master)] {
        ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
    }
    ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n $core
}

proc spacc_package_ip {folder} {
    global card spacc_home
    create_project -force package [file join $folder project] -part $card(part)
    foreach source $card(sources) {
        add_files -norecurse [file join $spacc_home $source]
    }
    set_property top $card(top) [current_fileset]
    update_compile_order -fileset sources_1
    ipx::package_project -root_dir [file join $folder ip] -vendor spacc -library kernel \
        -taxonomy /KernelIP -import_files -force
    set core [ipx::current_core]
    set_property name $card(kernel) $core
    set_property version $card(version) $core
    set_property display_name "spacc: sparse LSTM, GRU and matrix accelerator" $core
    set_property supported_families {} $core
    set_property auto_family_support_level level_2 $core
    spacc_add_interfaces $core
    spacc_add_registers $core
    return $core
}

proc spacc_save_ip {core} {
    ipx::create_xgui_files $core
    ipx::update_checksums $core
    ipx::check_integrity $core
    ipx::save_core $core
    close_project -delete
}
