# package_hls_xo.tcl - the IP that Vitis HLS left in hls_work as a kernel for v++ --link: it gets the name and
# the kernel.xml of the card's family, and leaves spacc_card.xo beside this file. build_hls.sh runs it.
set spacc_home [file dirname [file normalize [info script]]]
source [file join $spacc_home card.tcl]

set ip [file join $spacc_home hls_work hls impl ip]
if {![file exists [file join $ip component.xml]]} {
    error "no component.xml in $ip: v++ --mode hls has to run first (build_hls.sh)"
}
create_project -in_memory -part $card(part)
set core [ipx::open_core [file join $ip component.xml]]
set_property vendor spacc $core
set_property library kernel $core
set_property name $card(kernel) $core
set_property version $card(version) $core
set_property supported_families {} $core
set_property auto_family_support_level level_2 $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {ctrl_protocol ap_ctrl_hs} $core
set_property ipi_drc {ignore_freq_hz true} $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
package_xo -force -xo_path [file join $spacc_home $card(kernel).xo] -kernel_name $card(kernel) \
    -ip_directory $ip -kernel_xml [file join $spacc_home kernel.xml]
