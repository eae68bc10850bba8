# block_design.tcl - the card beside the processors of a Zynq-7000:
#     vivado -mode batch -source block_design.tcl
# leaves spacc.bit, spacc.hwh (for PYNQ) and spacc.xsa beside it.
#
#   processors -- M_AXI_GP0 --> registers of the card      FCLK0 clocks all of it
#   memory    <-- S_AXI_HP0 --- master of the card         interrupt --> IRQ_F2P
source [file join [file dirname [file normalize [info script]]] package_ip.tcl]

set work [file join $spacc_home vivado]
spacc_save_ip [spacc_package_ip $work]

set design_folder [file join $work design]
create_project -force spacc $design_folder -part $card(part)
set_property ip_repo_paths [file join $work ip] [current_project]
update_ip_catalog
create_bd_design spacc

create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 ps
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
    -config {make_external "FIXED_IO, DDR" Master Disable Slave Disable} [get_bd_cells ps]
set_property -dict [list \
    CONFIG.PCW_USE_M_AXI_GP0 1 \
    CONFIG.PCW_USE_S_AXI_HP0 1 \
    CONFIG.PCW_S_AXI_HP0_DATA_WIDTH $card(master_bits) \
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ [expr {$card(clock_hz) / 1000000.0}] \
    CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
    CONFIG.PCW_IRQ_F2P_INTR 1] [get_bd_cells ps]

create_bd_cell -type ip -vlnv spacc:kernel:$card(kernel):$card(version) spacc_card_0
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset
foreach net {to_card to_memory} {
    create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 $net
    set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} [get_bd_cells $net]
}

foreach {from to} [list \
    ps/M_AXI_GP0 to_card/S00_AXI \
    to_card/M00_AXI spacc_card_0/$card(control) \
    spacc_card_0/$card(master) to_memory/S00_AXI \
    to_memory/M00_AXI ps/S_AXI_HP0] {
    connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}
foreach {from to} {
    ps/FCLK_CLK0 ps/M_AXI_GP0_ACLK
    ps/FCLK_CLK0 ps/S_AXI_HP0_ACLK
    ps/FCLK_CLK0 spacc_card_0/ap_clk
    ps/FCLK_CLK0 to_card/aclk
    ps/FCLK_CLK0 to_memory/aclk
    ps/FCLK_CLK0 reset/slowest_sync_clk
    ps/FCLK_RESET0_N reset/ext_reset_in
    reset/peripheral_aresetn spacc_card_0/ap_rst_n
    reset/interconnect_aresetn to_card/aresetn
    reset/interconnect_aresetn to_memory/aresetn
    spacc_card_0/interrupt ps/IRQ_F2P
} {
    connect_bd_net [get_bd_pins $from] [get_bd_pins $to]
}

assign_bd_address -offset $card(base) -range $card(control_bytes) \
    -target_address_space [get_bd_addr_spaces ps/Data] \
    [get_bd_addr_segs -of_objects [get_bd_intf_pins spacc_card_0/$card(control)]]
assign_bd_address -target_address_space [get_bd_addr_spaces spacc_card_0/$card(master)] \
    [get_bd_addr_segs ps/S_AXI_HP0/HP0_DDR_LOWOCM]
validate_bd_design
save_bd_design

set design [get_files spacc.bd]
add_files -norecurse [make_wrapper -files $design -top]
set_property top spacc_wrapper [current_fileset]
launch_runs impl_1 -to_step write_bitstream
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
    error "impl_1 did not finish: see [file join $design_folder spacc.runs impl_1 runme.log]"
}
open_run impl_1
report_timing_summary -file [file join $spacc_home timing.txt]
report_utilization -file [file join $spacc_home utilization.txt]
write_bitstream -force [file join $spacc_home spacc.bit]
write_hw_platform -fixed -include_bit -force [file join $spacc_home spacc.xsa]
file copy -force [file join $design_folder spacc.gen sources_1 bd spacc hw_handoff spacc.hwh] $spacc_home
