/// The card: one kernel under Vitis' rules. AXI4-Lite registers `s_axi_control` (12-bit
/// addresses, map in CARD.md), one AXI4 master `m_axi_gmem` of AxiBits through which the card
/// fetches program, weights and inputs and writes outputs. `interrupt` is level, active
/// high. The tops that are built, spacc_card_<config>, are generated and only set the
/// parameters.
module spacc_card #(
  parameter int unsigned Pes          = 16,   // M, a multiple of 4
  parameter int unsigned Lanes        = 16,   // N, a power of two, 4 or more
  parameter int unsigned Cells        = 1,    // units a cycle
  parameter int unsigned SharedRows   = 1,    // 4: the rows of a quad share their indices
  parameter int unsigned WeightBits   = 16,   // 8 or 16
  parameter int unsigned ActBits      = 16,   // 10..12: two 8-bit products a multiplier; SharedRows 4
  parameter int unsigned IndexBits    = 8,
  parameter int unsigned AxiBits      = 64,   // data of m_axi_gmem: 64, 128, 256 or 512
  parameter int unsigned WeightWords  = 8192, // N-lane words a PE
  parameter int unsigned XWords       = 512,  // words a bank, x
  parameter int unsigned HWords       = 512,  // words a bank, h
  parameter int unsigned Units        = 2048, // row parameters (quads) and cell states
  parameter int unsigned PsumWords    = 64,   // partial sums a PE
  parameter int unsigned Instructions = 64,
  parameter int unsigned Queue        = 0,    // rows that a PE queues for masked RUNs; 0: none of these
  parameter bit          SmallCell    = 1'b0 // one multiplier a cell unit, 22 cycles a unit
) (
  input  logic                       ap_clk,
  input  logic                       ap_rst_n,
  output logic                       interrupt,
  input  logic                       s_axi_control_awvalid,
  output logic                       s_axi_control_awready,
  input  logic [11:0]                s_axi_control_awaddr,
  input  logic                       s_axi_control_wvalid,
  output logic                       s_axi_control_wready,
  input  logic [31:0]                s_axi_control_wdata,
  input  logic [3:0]                 s_axi_control_wstrb,
  output logic                       s_axi_control_bvalid,
  input  logic                       s_axi_control_bready,
  output logic [1:0]                 s_axi_control_bresp,
  input  logic                       s_axi_control_arvalid,
  output logic                       s_axi_control_arready,
  input  logic [11:0]                s_axi_control_araddr,
  output logic                       s_axi_control_rvalid,
  input  logic                       s_axi_control_rready,
  output logic [31:0]                s_axi_control_rdata,
  output logic [1:0]                 s_axi_control_rresp,
  output logic                       m_axi_gmem_awvalid,
  input  logic                       m_axi_gmem_awready,
  output logic [63:0]                m_axi_gmem_awaddr,
  output logic                       m_axi_gmem_awid,
  output logic [7:0]                 m_axi_gmem_awlen,
  output logic [2:0]                 m_axi_gmem_awsize,
  output logic [1:0]                 m_axi_gmem_awburst,
  output logic                       m_axi_gmem_awlock,
  output logic [3:0]                 m_axi_gmem_awcache,
  output logic [2:0]                 m_axi_gmem_awprot,
  output logic [3:0]                 m_axi_gmem_awqos,
  output logic [3:0]                 m_axi_gmem_awregion,
  output logic                       m_axi_gmem_wvalid,
  input  logic                       m_axi_gmem_wready,
  output logic [AxiBits-1:0]         m_axi_gmem_wdata,
  output logic [AxiBits/8-1:0]       m_axi_gmem_wstrb,
  output logic                       m_axi_gmem_wlast,
  input  logic                       m_axi_gmem_bvalid,
  output logic                       m_axi_gmem_bready,
  input  logic [1:0]                 m_axi_gmem_bresp,
  input  logic                       m_axi_gmem_bid,
  output logic                       m_axi_gmem_arvalid,
  input  logic                       m_axi_gmem_arready,
  output logic [63:0]                m_axi_gmem_araddr,
  output logic                       m_axi_gmem_arid,
  output logic [7:0]                 m_axi_gmem_arlen,
  output logic [2:0]                 m_axi_gmem_arsize,
  output logic [1:0]                 m_axi_gmem_arburst,
  output logic                       m_axi_gmem_arlock,
  output logic [3:0]                 m_axi_gmem_arcache,
  output logic [2:0]                 m_axi_gmem_arprot,
  output logic [3:0]                 m_axi_gmem_arqos,
  output logic [3:0]                 m_axi_gmem_arregion,
  input  logic                       m_axi_gmem_rvalid,
  output logic                       m_axi_gmem_rready,
  input  logic [AxiBits-1:0]         m_axi_gmem_rdata,
  input  logic                       m_axi_gmem_rlast,
  input  logic [1:0]                 m_axi_gmem_rresp,
  input  logic                       m_axi_gmem_rid
);

  logic                   start, done, abort;
  logic [63:0]            program_ptr, weights_ptr, input_ptr, output_ptr;
  logic [31:0]            program_bytes, weights_bytes, input_bytes, output_bytes, watchdog_cycles;
  logic [31:0]            error_code, error_pc;
  logic [63:0]            error_address;
  logic [64*spacc_card_pkg::Counters-1:0] counters;

  logic        read_cmd_valid, read_cmd_ready, read_valid, read_ready, read_last, read_idle, read_error, read_beat;
  logic [63:0] read_cmd_address, read_error_address;
  logic [AxiBits-1:0] read_data, write_data;
  logic [31:0] read_cmd_beats;
  logic        write_cmd_valid, write_cmd_ready, write_valid, write_ready, write_idle, write_error, write_beat;
  logic        write_done;
  logic [63:0] write_cmd_address, write_error_address;
  logic [31:0] write_cmd_beats;

  spacc_axi_lite #(
    .Pes(Pes), .Lanes(Lanes), .Cells(Cells), .SharedRows(SharedRows), .WeightBits(WeightBits), .ActBits(ActBits),
    .IndexBits(IndexBits),
    .AxiBits(AxiBits), .WeightWords(WeightWords), .XWords(XWords), .HWords(HWords), .Units(Units),
    .PsumWords(PsumWords), .Instructions(Instructions), .Queue(Queue)
  ) u_registers (
    .clk_i(ap_clk), .rst_ni(ap_rst_n),
    .s_axi_awvalid_i(s_axi_control_awvalid), .s_axi_awready_o(s_axi_control_awready),
    .s_axi_awaddr_i(s_axi_control_awaddr),
    .s_axi_wvalid_i(s_axi_control_wvalid), .s_axi_wready_o(s_axi_control_wready),
    .s_axi_wdata_i(s_axi_control_wdata), .s_axi_wstrb_i(s_axi_control_wstrb),
    .s_axi_bvalid_o(s_axi_control_bvalid), .s_axi_bready_i(s_axi_control_bready),
    .s_axi_bresp_o(s_axi_control_bresp),
    .s_axi_arvalid_i(s_axi_control_arvalid), .s_axi_arready_o(s_axi_control_arready),
    .s_axi_araddr_i(s_axi_control_araddr),
    .s_axi_rvalid_o(s_axi_control_rvalid), .s_axi_rready_i(s_axi_control_rready),
    .s_axi_rdata_o(s_axi_control_rdata), .s_axi_rresp_o(s_axi_control_rresp),
    .interrupt_o(interrupt), .start_o(start), .done_i(done),
    .program_ptr_o(program_ptr), .weights_ptr_o(weights_ptr), .input_ptr_o(input_ptr),
    .output_ptr_o(output_ptr), .program_bytes_o(program_bytes), .weights_bytes_o(weights_bytes),
    .input_bytes_o(input_bytes), .output_bytes_o(output_bytes), .watchdog_cycles_o(watchdog_cycles),
    .error_code_i(error_code), .error_pc_i(error_pc), .error_address_i(error_address),
    .counters_i(counters)
  );

  spacc_core #(
    .Pes(Pes), .Lanes(Lanes), .Cells(Cells), .SharedRows(SharedRows), .WeightBits(WeightBits), .ActBits(ActBits),
    .IndexBits(IndexBits),
    .AxiBits(AxiBits), .WeightWords(WeightWords), .XWords(XWords), .HWords(HWords), .Units(Units),
    .PsumWords(PsumWords), .Instructions(Instructions), .Queue(Queue), .SmallCell(SmallCell)
  ) u_core (
    .clk_i(ap_clk), .rst_ni(ap_rst_n), .start_i(start), .done_o(done),
    .program_ptr_i(program_ptr), .weights_ptr_i(weights_ptr), .input_ptr_i(input_ptr),
    .output_ptr_i(output_ptr), .program_bytes_i(program_bytes), .weights_bytes_i(weights_bytes),
    .input_bytes_i(input_bytes), .output_bytes_i(output_bytes), .watchdog_cycles_i(watchdog_cycles),
    .error_code_o(error_code), .error_pc_o(error_pc), .error_address_o(error_address),
    .counters_o(counters),
    .read_cmd_valid_o(read_cmd_valid), .read_cmd_ready_i(read_cmd_ready),
    .read_cmd_address_o(read_cmd_address), .read_cmd_beats_o(read_cmd_beats),
    .read_valid_i(read_valid), .read_ready_o(read_ready), .read_data_i(read_data), .read_last_i(read_last),
    .read_idle_i(read_idle), .read_error_i(read_error), .read_error_address_i(read_error_address),
    .read_beat_i(read_beat),
    .write_cmd_valid_o(write_cmd_valid), .write_cmd_ready_i(write_cmd_ready),
    .write_cmd_address_o(write_cmd_address), .write_cmd_beats_o(write_cmd_beats),
    .write_valid_o(write_valid), .write_ready_i(write_ready), .write_data_o(write_data),
    .write_idle_i(write_idle), .write_error_i(write_error), .write_error_address_i(write_error_address),
    .write_beat_i(write_beat),
    .abort_o(abort)
  );

  spacc_dma_read #(.DataBits(AxiBits)) u_read (
    .clk_i(ap_clk), .rst_ni(ap_rst_n),
    .cmd_valid_i(read_cmd_valid), .cmd_ready_o(read_cmd_ready), .cmd_address_i(read_cmd_address),
    .cmd_beats_i(read_cmd_beats),
    .out_valid_o(read_valid), .out_ready_i(read_ready), .out_data_o(read_data), .out_last_o(read_last),
    .idle_o(read_idle), .error_o(read_error), .error_address_o(read_error_address), .beat_o(read_beat),
    .abort_i(abort),
    .m_arvalid_o(m_axi_gmem_arvalid), .m_arready_i(m_axi_gmem_arready), .m_araddr_o(m_axi_gmem_araddr),
    .m_arlen_o(m_axi_gmem_arlen), .m_arsize_o(m_axi_gmem_arsize), .m_arburst_o(m_axi_gmem_arburst),
    .m_rvalid_i(m_axi_gmem_rvalid), .m_rready_o(m_axi_gmem_rready), .m_rdata_i(m_axi_gmem_rdata),
    .m_rresp_i(m_axi_gmem_rresp), .m_rlast_i(m_axi_gmem_rlast)
  );

  spacc_dma_write #(.DataBits(AxiBits)) u_write (
    .clk_i(ap_clk), .rst_ni(ap_rst_n),
    .cmd_valid_i(write_cmd_valid), .cmd_ready_o(write_cmd_ready), .cmd_address_i(write_cmd_address),
    .cmd_beats_i(write_cmd_beats),
    .in_valid_i(write_valid), .in_ready_o(write_ready), .in_data_i(write_data),
    .idle_o(write_idle), .done_o(write_done), .error_o(write_error), .error_address_o(write_error_address),
    .beat_o(write_beat), .abort_i(abort),
    .m_awvalid_o(m_axi_gmem_awvalid), .m_awready_i(m_axi_gmem_awready), .m_awaddr_o(m_axi_gmem_awaddr),
    .m_awlen_o(m_axi_gmem_awlen), .m_awsize_o(m_axi_gmem_awsize), .m_awburst_o(m_axi_gmem_awburst),
    .m_wvalid_o(m_axi_gmem_wvalid), .m_wready_i(m_axi_gmem_wready), .m_wdata_o(m_axi_gmem_wdata),
    .m_wstrb_o(m_axi_gmem_wstrb), .m_wlast_o(m_axi_gmem_wlast),
    .m_bvalid_i(m_axi_gmem_bvalid), .m_bready_o(m_axi_gmem_bready), .m_bresp_i(m_axi_gmem_bresp)
  );

`ifndef SYNTHESIS
  initial assert (AxiBits == 64 || AxiBits == 128 || AxiBits == 256 || AxiBits == 512)
      else $fatal(1, "AxiBits must be 64, 128, 256 or 512");
`endif

  // Normal, bufferable, modifiable accesses of one thread.
  assign m_axi_gmem_awid     = 1'b0;
  assign m_axi_gmem_awlock   = 1'b0;
  assign m_axi_gmem_awcache  = 4'b0011;
  assign m_axi_gmem_awprot   = 3'd0;
  assign m_axi_gmem_awqos    = 4'd0;
  assign m_axi_gmem_awregion = 4'd0;
  assign m_axi_gmem_arid     = 1'b0;
  assign m_axi_gmem_arlock   = 1'b0;
  assign m_axi_gmem_arcache  = 4'b0011;
  assign m_axi_gmem_arprot   = 3'd0;
  assign m_axi_gmem_arqos    = 4'd0;
  assign m_axi_gmem_arregion = 4'd0;

  logic unused_bits; // one ID; end of a write shows in write_idle
  assign unused_bits = ^{m_axi_gmem_bid, m_axi_gmem_rid, write_done};

endmodule
