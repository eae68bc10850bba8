/// spacc_micro with a serial port: all that an UP5K holds. Pins as spacc_board has them.
module spacc_board_micro #(
  parameter int unsigned ClockHz      = 12000000,
  parameter int unsigned Baud         = 1000000,
  parameter int unsigned GapClocks    = ClockHz / 50,
  parameter int unsigned PayloadBytes = 1024,
  parameter int unsigned WeightWords  = 1728,
  parameter int unsigned Units        = 256,
  parameter int unsigned HWords       = 256,
  parameter int unsigned XWords       = 512
) (
  input  logic clk,
  input  logic rst_n,   // active low, any clock
  input  logic uart_rx, // from the host, any clock
  output logic uart_tx, // to the host
  output logic led
);

  localparam int unsigned Divider     = (ClockHz + Baud / 2) / Baud;
  localparam int unsigned LedWidth    = $clog2(ClockHz / 16);
  localparam int unsigned MemoryBytes = 65536;

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

  logic        card_rst_n, interrupt;
  logic        lite_awvalid, lite_awready, lite_wvalid, lite_wready, lite_bvalid, lite_bready;
  logic        lite_arvalid, lite_arready, lite_rvalid, lite_rready;
  logic [11:0] lite_awaddr, lite_araddr;
  logic [31:0] lite_wdata, lite_rdata;
  logic [3:0]  lite_wstrb;
  logic        port_valid, port_ready, port_write, port_answer;
  logic [15:0] port_address;
  logic [7:0]  port_data, port_read_data;

  spacc_bridge #(
    .ClockHz(ClockHz), .GapClocks(GapClocks), .PayloadBytes(PayloadBytes), .MemoryBytes(MemoryBytes)
  ) u_bridge (
    .clk_i(clk), .rst_ni(rst_nq),
    .rx_valid_i(rx_valid), .rx_data_i(rx_data), .rx_busy_i(rx_busy),
    .tx_valid_o(tx_valid), .tx_ready_i(tx_ready), .tx_data_o(tx_data),
    .card_rst_no(card_rst_n), .interrupt_i(interrupt),
    .m_awvalid_o(lite_awvalid), .m_awready_i(lite_awready), .m_awaddr_o(lite_awaddr),
    .m_wvalid_o(lite_wvalid), .m_wready_i(lite_wready), .m_wdata_o(lite_wdata), .m_wstrb_o(lite_wstrb),
    .m_bvalid_i(lite_bvalid), .m_bready_o(lite_bready), .m_bresp_i(2'd0),
    .m_arvalid_o(lite_arvalid), .m_arready_i(lite_arready), .m_araddr_o(lite_araddr),
    .m_rvalid_i(lite_rvalid), .m_rready_o(lite_rready), .m_rdata_i(lite_rdata), .m_rresp_i(2'd0),
    .port_valid_o(port_valid), .port_ready_i(port_ready), .port_write_o(port_write),
    .port_address_o(port_address), .port_data_o(port_data),
    .port_valid_i(port_answer), .port_data_i(port_read_data)
  );

  spacc_micro #(.WeightWords(WeightWords), .Units(Units), .HWords(HWords), .XWords(XWords)) u_card (
    .clk_i(clk), .rst_ni(card_rst_n), .interrupt_o(interrupt),
    .s_awvalid_i(lite_awvalid), .s_awready_o(lite_awready), .s_awaddr_i(lite_awaddr),
    .s_wvalid_i(lite_wvalid), .s_wready_o(lite_wready), .s_wdata_i(lite_wdata),
    .s_bvalid_o(lite_bvalid), .s_bready_i(lite_bready),
    .s_arvalid_i(lite_arvalid), .s_arready_o(lite_arready), .s_araddr_i(lite_araddr),
    .s_rvalid_o(lite_rvalid), .s_rready_i(lite_rready), .s_rdata_o(lite_rdata),
    .port_valid_i(port_valid), .port_ready_o(port_ready), .port_write_i(port_write),
    .port_address_i(port_address), .port_data_i(port_data),
    .port_valid_o(port_answer), .port_data_o(port_read_data)
  );

  logic [LedWidth-1:0] led_q;
  always_ff @(posedge clk) begin
    if (!rst_nq)                                   led_q <= '0;
    else if (rx_busy || tx_valid)                  led_q <= '1;
    else if (led_q != '0)                          led_q <= led_q - 1'b1;
  end
  assign led = led_q != '0;

  logic unused_bits; // the bridge writes whole words
  assign unused_bits = ^lite_wstrb;

endmodule
