/// A card, its memory and a serial port: all that a small board needs. `clk`, a button and
/// four wires outside; the host speaks spacc_bridge's protocol at Baud.
///
/// The parts are reset at power-up (from the initial value of a register, which the FPGAs
/// this is for can load) and while `rst_n` is low. `led` is on while bytes come or go, and
/// a sixteenth of a second more.
module spacc_board #(
  parameter int unsigned ClockHz      = 12000000,
  parameter int unsigned Baud         = 1000000,   // what host/card/uart.h takes for granted, too
  parameter int unsigned GapClocks    = ClockHz / 50,
  parameter int unsigned PayloadBytes = 1024,
  parameter int unsigned MemoryBytes  = 65536,     // a power of two
  // the card, see spacc_card
  parameter int unsigned Pes          = 4,
  parameter int unsigned Lanes        = 4,
  parameter int unsigned Cells        = 1,
  parameter int unsigned WeightBits   = 16,
  parameter int unsigned IndexBits    = 8,
  parameter int unsigned WeightWords  = 4096,
  parameter int unsigned XWords       = 512,
  parameter int unsigned HWords       = 512,
  parameter int unsigned Units        = 512,
  parameter int unsigned PsumWords    = 32,
  parameter int unsigned Instructions = 64
) (
  input  logic clk,
  input  logic rst_n,   // active low, any clock
  input  logic uart_rx, // from the host, any clock
  output logic uart_tx, // to the host
  output logic led
);

  localparam int unsigned Divider     = (ClockHz + Baud / 2) / Baud;
  localparam int unsigned LedWidth    = $clog2(ClockHz / 16);
  localparam logic [31:0] MemoryBase  = 32'h8000_0000;
  localparam int unsigned MemoryWidth = $clog2(MemoryBytes);

  // 15 clocks of reset.
  logic       reset_meta_q, reset_sync_q;
  logic [3:0] reset_count_q = 4'd0;
  logic       rst_nq = 1'b0;

  always_ff @(posedge clk) begin
    reset_meta_q <= rst_n;
    reset_sync_q <= reset_meta_q;
    rst_nq       <= reset_sync_q && reset_count_q == 4'd15;
    if (!reset_sync_q)               reset_count_q <= 4'd0;
    else if (reset_count_q != 4'd15) reset_count_q <= reset_count_q + 4'd1;
  end

  logic       rx_valid, rx_busy, tx_valid, tx_ready;
  logic [7:0] rx_data, tx_data;

  spacc_uart #(.Divider(Divider)) u_uart (
    .clk_i(clk), .rst_ni(rst_nq), .rx_i(uart_rx), .tx_o(uart_tx),
    .rx_valid_o(rx_valid), .rx_data_o(rx_data), .rx_busy_o(rx_busy),
    .tx_valid_i(tx_valid), .tx_ready_o(tx_ready), .tx_data_i(tx_data)
  );

  logic                   card_rst_n, interrupt;
  logic                   lite_awvalid, lite_awready, lite_wvalid, lite_wready, lite_bvalid, lite_bready;
  logic                   lite_arvalid, lite_arready, lite_rvalid, lite_rready;
  logic [11:0]            lite_awaddr, lite_araddr;
  logic [31:0]            lite_wdata, lite_rdata;
  logic [3:0]             lite_wstrb;
  logic [1:0]             lite_bresp, lite_rresp;
  logic                   port_valid, port_ready, port_write, port_answer;
  logic [MemoryWidth-1:0] port_address;
  logic [7:0]             port_data, port_read_data;

  spacc_bridge #(
    .ClockHz(ClockHz), .GapClocks(GapClocks), .PayloadBytes(PayloadBytes), .MemoryBytes(MemoryBytes),
    .MemoryBase(MemoryBase)
  ) u_bridge (
    .clk_i(clk), .rst_ni(rst_nq),
    .rx_valid_i(rx_valid), .rx_data_i(rx_data), .rx_busy_i(rx_busy),
    .tx_valid_o(tx_valid), .tx_ready_i(tx_ready), .tx_data_o(tx_data),
    .card_rst_no(card_rst_n), .interrupt_i(interrupt),
    .m_awvalid_o(lite_awvalid), .m_awready_i(lite_awready), .m_awaddr_o(lite_awaddr),
    .m_wvalid_o(lite_wvalid), .m_wready_i(lite_wready), .m_wdata_o(lite_wdata), .m_wstrb_o(lite_wstrb),
    .m_bvalid_i(lite_bvalid), .m_bready_o(lite_bready), .m_bresp_i(lite_bresp),
    .m_arvalid_o(lite_arvalid), .m_arready_i(lite_arready), .m_araddr_o(lite_araddr),
    .m_rvalid_i(lite_rvalid), .m_rready_o(lite_rready), .m_rdata_i(lite_rdata), .m_rresp_i(lite_rresp),
    .port_valid_o(port_valid), .port_ready_i(port_ready), .port_write_o(port_write),
    .port_address_o(port_address), .port_data_o(port_data),
    .port_valid_i(port_answer), .port_data_i(port_read_data)
  );

  logic        awvalid, awready, wvalid, wready, wlast, bvalid, bready;
  logic        arvalid, arready, rvalid, rready, rlast;
  logic [63:0] awaddr, wdata, araddr, rdata;
  logic [7:0]  awlen, wstrb, arlen;
  logic [2:0]  awsize, arsize;
  logic [1:0]  awburst, bresp, arburst, rresp;

  spacc_board_memory #(.Bytes(MemoryBytes), .Base(MemoryBase)) u_memory (
    .clk_i(clk), .rst_ni(card_rst_n),
    .port_valid_i(port_valid), .port_ready_o(port_ready), .port_write_i(port_write),
    .port_address_i(port_address), .port_data_i(port_data),
    .port_valid_o(port_answer), .port_data_o(port_read_data),
    .s_awvalid_i(awvalid), .s_awready_o(awready), .s_awaddr_i(awaddr), .s_awlen_i(awlen),
    .s_awsize_i(awsize), .s_awburst_i(awburst),
    .s_wvalid_i(wvalid), .s_wready_o(wready), .s_wdata_i(wdata), .s_wstrb_i(wstrb), .s_wlast_i(wlast),
    .s_bvalid_o(bvalid), .s_bready_i(bready), .s_bresp_o(bresp),
    .s_arvalid_i(arvalid), .s_arready_o(arready), .s_araddr_i(araddr), .s_arlen_i(arlen),
    .s_arsize_i(arsize), .s_arburst_i(arburst),
    .s_rvalid_o(rvalid), .s_rready_i(rready), .s_rdata_o(rdata), .s_rresp_o(rresp), .s_rlast_o(rlast)
  );

  logic       awid, arid, awlock, arlock;
  logic [3:0] awcache, awqos, awregion, arcache, arqos, arregion;
  logic [2:0] awprot, arprot;

  spacc_card #(
    .Pes(Pes), .Lanes(Lanes), .Cells(Cells), .WeightBits(WeightBits), .IndexBits(IndexBits), .AxiBits(64),
    .WeightWords(WeightWords), .XWords(XWords), .HWords(HWords), .Units(Units), .PsumWords(PsumWords),
    .Instructions(Instructions)
  ) u_card (
    .ap_clk(clk), .ap_rst_n(card_rst_n), .interrupt(interrupt),
    .s_axi_control_awvalid(lite_awvalid), .s_axi_control_awready(lite_awready),
    .s_axi_control_awaddr(lite_awaddr),
    .s_axi_control_wvalid(lite_wvalid), .s_axi_control_wready(lite_wready),
    .s_axi_control_wdata(lite_wdata), .s_axi_control_wstrb(lite_wstrb),
    .s_axi_control_bvalid(lite_bvalid), .s_axi_control_bready(lite_bready),
    .s_axi_control_bresp(lite_bresp),
    .s_axi_control_arvalid(lite_arvalid), .s_axi_control_arready(lite_arready),
    .s_axi_control_araddr(lite_araddr),
    .s_axi_control_rvalid(lite_rvalid), .s_axi_control_rready(lite_rready),
    .s_axi_control_rdata(lite_rdata), .s_axi_control_rresp(lite_rresp),
    .m_axi_gmem_awvalid(awvalid), .m_axi_gmem_awready(awready), .m_axi_gmem_awaddr(awaddr),
    .m_axi_gmem_awid(awid), .m_axi_gmem_awlen(awlen), .m_axi_gmem_awsize(awsize),
    .m_axi_gmem_awburst(awburst), .m_axi_gmem_awlock(awlock), .m_axi_gmem_awcache(awcache),
    .m_axi_gmem_awprot(awprot), .m_axi_gmem_awqos(awqos), .m_axi_gmem_awregion(awregion),
    .m_axi_gmem_wvalid(wvalid), .m_axi_gmem_wready(wready), .m_axi_gmem_wdata(wdata),
    .m_axi_gmem_wstrb(wstrb), .m_axi_gmem_wlast(wlast),
    .m_axi_gmem_bvalid(bvalid), .m_axi_gmem_bready(bready), .m_axi_gmem_bresp(bresp),
    .m_axi_gmem_bid(1'b0),
    .m_axi_gmem_arvalid(arvalid), .m_axi_gmem_arready(arready), .m_axi_gmem_araddr(araddr),
    .m_axi_gmem_arid(arid), .m_axi_gmem_arlen(arlen), .m_axi_gmem_arsize(arsize),
    .m_axi_gmem_arburst(arburst), .m_axi_gmem_arlock(arlock), .m_axi_gmem_arcache(arcache),
    .m_axi_gmem_arprot(arprot), .m_axi_gmem_arqos(arqos), .m_axi_gmem_arregion(arregion),
    .m_axi_gmem_rvalid(rvalid), .m_axi_gmem_rready(rready), .m_axi_gmem_rdata(rdata),
    .m_axi_gmem_rlast(rlast), .m_axi_gmem_rresp(rresp), .m_axi_gmem_rid(1'b0)
  );

  logic unused_bits; // one memory, one thread
  assign unused_bits = ^{awid, awlock, awcache, awprot, awqos, awregion,
                         arid, arlock, arcache, arprot, arqos, arregion};

  logic [LedWidth-1:0] led_q; // clocks to go

  assign led = led_q != '0;

  always_ff @(posedge clk) begin
    if (!rst_nq)                   led_q <= '0;
    else if (rx_busy || tx_valid)  led_q <= '1;
    else if (led)                  led_q <= led_q - 1'b1;
  end

`ifndef SYNTHESIS
  initial assert (ClockHz / Baud >= 4) else $fatal(1, "Baud is too fast for the clock");
`endif

endmodule
