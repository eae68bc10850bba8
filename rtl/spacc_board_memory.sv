/// The memory of a small board: block RAM behind an AXI4 slave, with a port for the bridge.
///
/// AXI4: 64-bit data, INCR bursts of whole words, one read and one write burst at a time,
/// each a word a cycle; the first word of a read comes two cycles after its address.
/// Addresses outside of Base .. Base + Bytes - 1 are answered with DECERR, other bursts
/// than INCR of 8 bytes with SLVERR; nothing is written then. A burst stays inside
/// because it stays inside its 4 KiB.
///
/// Bridge: one byte at a time; `port_ready_o` takes it. A write is done in any cycle (a
/// write burst waits for it). A read is taken between read bursts, so it waits for as
/// long as a burst does; the byte comes with `port_valid_o` in the next cycle. Addresses
/// count from the start of the memory and are taken modulo Bytes.
///
/// One read and one write port of eight byte-wide RAMs: a plain dual-port block RAM.
module spacc_board_memory #(
  parameter  int unsigned Bytes        = 65536,          // a power of two, 4096 or more
  parameter  logic [31:0] Base         = 32'h8000_0000,  // a multiple of Bytes
  localparam int unsigned AddressWidth = $clog2(Bytes)
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,       // synchronous, active low: the AXI side
  // bridge
  input  logic                    port_valid_i,
  output logic                    port_ready_o,
  input  logic                    port_write_i,
  input  logic [AddressWidth-1:0] port_address_i,
  input  logic [7:0]              port_data_i,
  output logic                    port_valid_o, // pulse: the byte of a read
  output logic [7:0]              port_data_o,
  // AXI4
  input  logic                    s_awvalid_i,
  output logic                    s_awready_o,
  input  logic [63:0]             s_awaddr_i,
  input  logic [7:0]              s_awlen_i,
  input  logic [2:0]              s_awsize_i,
  input  logic [1:0]              s_awburst_i,
  input  logic                    s_wvalid_i,
  output logic                    s_wready_o,
  input  logic [63:0]             s_wdata_i,
  input  logic [7:0]              s_wstrb_i,
  input  logic                    s_wlast_i,
  output logic                    s_bvalid_o,
  input  logic                    s_bready_i,
  output logic [1:0]              s_bresp_o,
  input  logic                    s_arvalid_i,
  output logic                    s_arready_o,
  input  logic [63:0]             s_araddr_i,
  input  logic [7:0]              s_arlen_i,
  input  logic [2:0]              s_arsize_i,
  input  logic [1:0]              s_arburst_i,
  output logic                    s_rvalid_o,
  input  logic                    s_rready_i,
  output logic [63:0]             s_rdata_o,
  output logic [1:0]              s_rresp_o,
  output logic                    s_rlast_o
);

  localparam int unsigned WordWidth = AddressWidth - 3;
  localparam int unsigned Words     = Bytes / 8;

  localparam logic [1:0] RespOkay = 2'd0, RespSlverr = 2'd2, RespDecerr = 2'd3;
  localparam logic [1:0] BurstIncr = 2'd1;
  localparam logic [2:0] SizeWord  = 3'd3;

  function automatic logic [1:0] response(input logic [63:AddressWidth] region,
                                          input logic [2:0] size, input logic [1:0] burst);
    if (region != {32'd0, Base[31:AddressWidth]})                   response = RespDecerr;
    else if (size != SizeWord || burst != BurstIncr)                response = RespSlverr;
    else                                                            response = RespOkay;
  endfunction

  // Write burst: address, words, answer. The bridge's byte goes first.
  logic                 write_busy_q, port_write, beat_write;
  logic [WordWidth-1:0] write_word_q, write_word;
  logic [1:0]           write_resp_q;
  logic [7:0]           write_lanes;

  assign port_write  = port_valid_i && port_write_i;
  assign s_awready_o = !write_busy_q && !s_bvalid_o;
  assign s_wready_o  = write_busy_q && !port_write;
  assign s_bresp_o   = write_resp_q;
  assign beat_write  = s_wvalid_i && s_wready_o;
  assign write_word  = port_write ? port_address_i[AddressWidth-1:3] : write_word_q;

  always_comb begin
    write_lanes = 8'd0;
    if (port_write) write_lanes[port_address_i[2:0]] = 1'b1;
    else if (beat_write && write_resp_q == RespOkay) write_lanes = s_wstrb_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_busy_q <= 1'b0;
      s_bvalid_o   <= 1'b0;
      write_word_q <= '0;
      write_resp_q <= RespOkay;
    end else begin
      if (s_awvalid_i && s_awready_o) begin
        write_busy_q <= 1'b1;
        write_word_q <= s_awaddr_i[AddressWidth-1:3];
        write_resp_q <= response(s_awaddr_i[63:AddressWidth], s_awsize_i, s_awburst_i);
      end
      if (beat_write) begin
        write_word_q <= write_word_q + 1'b1;
        write_busy_q <= !s_wlast_i;
        s_bvalid_o   <= s_wlast_i;
      end
      if (s_bvalid_o && s_bready_i) s_bvalid_o <= 1'b0;
    end
  end

  // Read burst: the output register of the RAM is R, so the RAM moves on only when R may.
  logic                 read_busy_q, port_read, beat_read;
  logic [WordWidth-1:0] read_word_q, read_word;
  logic [7:0]           read_left_q; // words behind the next one
  logic [2:0]           port_lane_q;
  logic [1:0]           read_resp_q;

  assign port_read    = port_valid_i && !port_write_i && !read_busy_q && !s_rvalid_o;
  assign port_ready_o = port_write_i ? 1'b1 : !read_busy_q && !s_rvalid_o;
  assign s_arready_o  = !read_busy_q && !s_rvalid_o;
  assign s_rresp_o    = read_resp_q;
  assign beat_read    = read_busy_q && (!s_rvalid_o || s_rready_i);
  assign read_word    = read_busy_q ? read_word_q : port_address_i[AddressWidth-1:3];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_busy_q <= 1'b0;
      s_rvalid_o  <= 1'b0;
      s_rlast_o   <= 1'b0;
      read_word_q <= '0;
      read_left_q <= '0;
      read_resp_q <= RespOkay;
    end else begin
      if (s_arvalid_i && s_arready_o) begin
        read_busy_q <= 1'b1;
        read_word_q <= s_araddr_i[AddressWidth-1:3];
        read_left_q <= s_arlen_i;
        read_resp_q <= response(s_araddr_i[63:AddressWidth], s_arsize_i, s_arburst_i);
      end
      if (beat_read) begin
        read_word_q <= read_word_q + 1'b1;
        read_left_q <= read_left_q - 8'd1;
        read_busy_q <= read_left_q != 8'd0;
        s_rlast_o   <= read_left_q == 8'd0;
        s_rvalid_o  <= 1'b1;
      end else if (s_rready_i) begin
        s_rvalid_o <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    port_valid_o <= port_read;
    if (port_read) port_lane_q <= port_address_i[2:0];
  end

  assign port_data_o = s_rdata_o[8 * port_lane_q +: 8];

  // The read comes first, then a blocking write: same RAM, and Verilator needs no copy.
  // Nobody reads a byte in the clock it is written, so yosys need not care what comes then.
  for (genvar lane = 0; lane < 8; lane++) begin : g_lane
    (* no_rw_check *) logic [7:0] memory [0:Words-1];
    logic [7:0] data_q;

    assign s_rdata_o[8*lane +: 8] = data_q;

    /* verilator lint_off BLKSEQ */
    always_ff @(posedge clk_i) begin
      if (beat_read || port_read) data_q <= memory[read_word];
      if (write_lanes[lane])
        memory[write_word] = port_write ? port_data_i : s_wdata_i[8*lane +: 8];
    end
    /* verilator lint_on BLKSEQ */
  end

  logic unused_bits; // words are aligned
  assign unused_bits = ^{s_awaddr_i[2:0], s_awlen_i, s_araddr_i[2:0]};

`ifndef SYNTHESIS
  initial assert (Bytes >= 4096 && 2 ** AddressWidth == Bytes)
      else $fatal(1, "Bytes must be a power of two, 4096 or more");
  initial assert (Base[AddressWidth-1:0] == '0) else $fatal(1, "Base must be a multiple of Bytes");

  PortHolds: assert property (@(posedge clk_i)
      port_valid_i && !port_ready_o
      |=> !port_valid_i || $stable({port_write_i, port_address_i, port_data_i}))
      else $error("the bridge changed its access before it was taken");

  RHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_rvalid_o && !s_rready_i |=> s_rvalid_o && $stable({s_rdata_o, s_rresp_o, s_rlast_o}))
      else $error("R changed before it was taken");

  BHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_bvalid_o && !s_bready_i |=> s_bvalid_o && $stable(s_bresp_o))
      else $error("B changed before it was taken");

  WritesInLine: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_awvalid_i && s_awready_o && s_awburst_i == BurstIncr && s_awsize_i == SizeWord
      |-> {4'd0, s_awaddr_i[11:3]} + {5'd0, s_awlen_i} < 13'd512)
      else $error("a write burst crosses a 4 KiB line");

  ReadsInLine: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_arvalid_i && s_arready_o && s_arburst_i == BurstIncr && s_arsize_i == SizeWord
      |-> {4'd0, s_araddr_i[11:3]} + {5'd0, s_arlen_i} < 13'd512)
      else $error("a read burst crosses a 4 KiB line");
`endif

endmodule
