/// Reads `cmd_beats_i` words of DataBits from memory as AXI4 INCR bursts and gives them
/// out as one stream, commands in order.
///
/// Bursts have up to MaxBurst beats and never cross a 4 KiB line. Up to Outstanding
/// bursts are under way, also of different commands; a command is taken as soon as the
/// one before has asked for its last burst. So words of one command follow those of
/// another without a gap, one a cycle, while commands of b >= 2 beats are waiting and
/// Outstanding * b >= b + latency + 1, latency being the cycles from AR to the first R.
/// Words pass from R to the stream in the same cycle, without a buffer: `m_rready_o`
/// follows `out_ready_i`.
///
/// A response other than OKAY pulses `error_o` once a command, with the address of the
/// first bad word; the words are still delivered. While `abort_i` is high no burst
/// begins, the command is dropped, what is under way is swallowed, and then `idle_o`
/// rises: hold `abort_i` until it does. Abort may withdraw `out_valid_o`.
module spacc_dma_read #(
  parameter int unsigned DataBits    = 64,  // of a word: 16, 32 .. 1024
  parameter int unsigned MaxBurst    = 256, // words a burst: 1 .. 256, a power of two
  parameter int unsigned Outstanding = 8    // bursts under way: 2, 4, 8 ..
) (
  input  logic                clk_i,
  input  logic                rst_ni,          // synchronous, active low
  // commands
  input  logic                cmd_valid_i,
  output logic                cmd_ready_o,
  input  logic [63:0]         cmd_address_i,   // multiple of DataBits / 8
  input  logic [31:0]         cmd_beats_i,     // words; 1 or more
  // words out
  output logic                out_valid_o,
  input  logic                out_ready_i,
  output logic [DataBits-1:0] out_data_o,
  output logic                out_last_o,      // last word of a command
  // state
  output logic                idle_o,          // no command, nothing under way
  output logic                error_o,
  output logic [63:0]         error_address_o, // with error_o
  output logic                beat_o,          // a word came over the bus
  input  logic                abort_i,
  // AXI4 read channels
  output logic                m_arvalid_o,
  input  logic                m_arready_i,
  output logic [63:0]         m_araddr_o,
  output logic [7:0]          m_arlen_o,
  output logic [2:0]          m_arsize_o,
  output logic [1:0]          m_arburst_o,
  input  logic                m_rvalid_i,
  output logic                m_rready_o,
  input  logic [DataBits-1:0] m_rdata_i,
  input  logic [1:0]          m_rresp_i,
  input  logic                m_rlast_i
);

  localparam int unsigned SizeBits   = $clog2(DataBits / 8); // address bits inside a word
  localparam int unsigned LineBits   = 12 - SizeBits;        // and of a word in a 4 KiB line
  localparam int unsigned LineWords  = 2 ** LineBits;
  localparam int unsigned BurstMax   = MaxBurst < LineWords ? MaxBurst : LineWords;
  localparam int unsigned BurstWidth = $clog2(BurstMax + 1);
  localparam int unsigned WordWidth  = 64 - SizeBits;        // address of a word
  localparam int unsigned SlotWidth = $clog2(Outstanding);
  localparam int unsigned CountWidth = $clog2(Outstanding + 1);

  // The command being cut into bursts.
  logic                  busy_q;
  logic [WordWidth-1:0]  next_q;    // word address of the next burst
  logic [31:0]           left_q;    // words not yet asked for
  logic [LineBits:0]     to_line;   // words up to the 4 KiB line
  logic [BurstWidth-1:0] burst;     // words of the next burst, 1..BurstMax
  logic                  last_burst, issue;

  // Bursts asked for, oldest at slot_out_q.
  logic [WordWidth-1:0]  slot_address [0:Outstanding-1];
  logic [7:0]            slot_len     [0:Outstanding-1];
  logic                  slot_last    [0:Outstanding-1];
  logic [SlotWidth-1:0]  slot_in_q, slot_out_q;
  logic [CountWidth-1:0] slots_q;

  // The burst that R gives.
  logic [7:0] beat_q;
  logic       bad_q;      // this command has reported an error
  logic       burst_end, command_end, retire;

  assign to_line = (LineBits+1)'(LineWords) - {1'b0, next_q[LineBits-1:0]};

  always_comb begin
    burst = to_line > (LineBits+1)'(BurstMax) ? BurstWidth'(BurstMax) : to_line[BurstWidth-1:0];
    if (left_q < 32'(burst)) burst = left_q[BurstWidth-1:0];
  end

  assign last_burst = left_q == 32'(burst);
  assign issue      = busy_q && !abort_i && slots_q != CountWidth'(Outstanding) &&
                      (!m_arvalid_o || m_arready_i);

  assign cmd_ready_o = !busy_q && !abort_i;
  assign idle_o      = !busy_q && slots_q == '0;

  assign m_arsize_o  = 3'(SizeBits);
  assign m_arburst_o = 2'd1;
  assign m_rready_o  = out_ready_i || abort_i;

  assign out_valid_o = m_rvalid_i && !abort_i;
  assign out_data_o  = m_rdata_i;
  assign out_last_o  = command_end;

  assign beat_o      = m_rvalid_i && m_rready_o;
  assign burst_end   = beat_q == slot_len[slot_out_q];
  assign command_end = burst_end && slot_last[slot_out_q];
  assign retire      = beat_o && burst_end;

  assign error_o         = beat_o && m_rresp_i != 2'd0 && !bad_q && !abort_i;
  assign error_address_o = {slot_address[slot_out_q] + WordWidth'(beat_q), {SizeBits{1'b0}}};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q      <= 1'b0;
      m_arvalid_o <= 1'b0;
    end else begin
      if (cmd_valid_i && cmd_ready_o) busy_q <= 1'b1;
      else if (abort_i || (issue && last_burst)) busy_q <= 1'b0;
      if (issue)            m_arvalid_o <= 1'b1;
      else if (m_arready_i) m_arvalid_o <= 1'b0;
    end
    if (cmd_valid_i && cmd_ready_o) begin
      next_q <= cmd_address_i[63:SizeBits];
      left_q <= cmd_beats_i;
    end else if (issue) begin
      next_q <= next_q + WordWidth'(burst);
      left_q <= left_q - 32'(burst);
    end
    if (issue) begin
      m_araddr_o <= {next_q, {SizeBits{1'b0}}};
      m_arlen_o  <= 8'(burst) - 8'd1;
    end
  end

  // Blocking, so that Verilator keeps no copy: a slot is never read while it is written.
  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (issue) begin
      slot_address[slot_in_q] = next_q;
      slot_len[slot_in_q]     = 8'(burst) - 8'd1;
      slot_last[slot_in_q]    = last_burst;
    end
  end
  /* verilator lint_on BLKSEQ */

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      slot_in_q  <= '0;
      slot_out_q <= '0;
      slots_q    <= '0;
      beat_q     <= '0;
      bad_q      <= 1'b0;
    end else begin
      if (issue)  slot_in_q  <= slot_in_q + 1'b1;
      if (retire) slot_out_q <= slot_out_q + 1'b1;
      if (issue && !retire)      slots_q <= slots_q + 1'b1;
      else if (retire && !issue) slots_q <= slots_q - 1'b1;
      if (beat_o) begin
        beat_q <= burst_end ? 8'd0 : beat_q + 8'd1;
        bad_q  <= !command_end && !abort_i && (bad_q || m_rresp_i != 2'd0);
      end else if (abort_i) bad_q <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  localparam int unsigned Low = DataBits < 64 ? DataBits : 64; // stands for a wide word
  logic [Low-1:0] out_held_q;
  logic           out_waits_q;
  always_ff @(posedge clk_i) begin
    out_waits_q <= rst_ni && !abort_i && out_valid_o && !out_ready_i;
    if (out_valid_o) out_held_q <= out_data_o[Low-1:0];
    if (rst_ni && !abort_i && out_waits_q)
      OutHolds: assert (out_valid_o && out_data_o[Low-1:0] == out_held_q)
          else $error("word changed before it was taken");
  end

  initial assert (DataBits >= 16 && DataBits <= 1024 && 2 ** $clog2(DataBits) == DataBits)
      else $fatal(1, "DataBits must be a power of two, 16..1024");
  initial assert (MaxBurst >= 1 && MaxBurst <= 256 && 2 ** $clog2(MaxBurst) == MaxBurst)
      else $fatal(1, "MaxBurst must be a power of two, 1..256");
  initial assert (Outstanding >= 2 && 2 ** SlotWidth == Outstanding)
      else $fatal(1, "Outstanding must be a power of two, 2 or more");

  CommandFits: assert property (@(posedge clk_i) disable iff (!rst_ni)
      cmd_valid_i |-> cmd_beats_i != 0 && cmd_address_i[SizeBits-1:0] == 0)
      else $error("command is empty or not aligned to a word");

  CommandHolds: assert property (@(posedge clk_i) disable iff (!rst_ni || abort_i)
      cmd_valid_i && !cmd_ready_o
      |=> cmd_valid_i && $stable({cmd_address_i, cmd_beats_i}))
      else $error("command changed before it was taken");

  ArHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      m_arvalid_o && !m_arready_i |=> m_arvalid_o && $stable({m_araddr_o, m_arlen_o}))
      else $error("AR changed before it was taken");

  ArStaysInLine: assert property (@(posedge clk_i) disable iff (!rst_ni)
      m_arvalid_o |-> 32'(m_araddr_o[11:SizeBits]) + 32'(m_arlen_o) < LineWords)
      else $error("burst crosses a 4 KiB line");

  RExpected: assert property (@(posedge clk_i) disable iff (!rst_ni)
      m_rvalid_i |-> slots_q != 0 && m_rlast_i == burst_end)
      else $error("R without a burst, or RLAST at the wrong beat");
`endif

endmodule
