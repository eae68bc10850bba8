# package_xo.tcl - the card as a kernel for v++:  vivado -mode batch -source package_xo.tcl
# leaves spacc_card.xo beside it.
source [file join [file dirname [file normalize [info script]]] package_ip.tcl]

set work [file join $spacc_home vivado]
set core [spacc_package_ip $work]
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {ctrl_protocol ap_ctrl_hs} $core
set_property ipi_drc {ignore_freq_hz true} $core
spacc_save_ip $core
package_xo -force -xo_path [file join $spacc_home $card(kernel).xo] -kernel_name $card(kernel) \
    -ip_directory [file join $work ip] -kernel_xml [file join $spacc_home kernel.xml]
