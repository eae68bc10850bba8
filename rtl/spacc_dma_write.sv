/// Writes a stream of words of DataBits to memory as AXI4 INCR bursts: `cmd_beats_i`
/// words for each command, commands in order.
///
/// Words wait in a queue of two bursts; AW is raised only when all words of its burst
/// are there, so a slow producer never holds the bus, and every burst that has begun
/// ends by itself. W does not wait for AWREADY. Bursts have up to MaxBurst beats and
/// never cross a 4 KiB line; up to Outstanding of them wait for their B. One word a
/// cycle is sustained, also from command to command, while commands of b >= 2 words are
/// waiting and Outstanding * b >= b + latency + 1, latency being the cycles from the
/// last W to B.
///
/// `done_o` pulses at a command's last B. A response other than OKAY pulses `error_o`
/// once a command, with the address of the burst. While `abort_i` is high no burst
/// begins, begun ones end, words in the queue and at the input are thrown away, nothing
/// is reported, and then `idle_o` rises: hold `abort_i` until it does.
module spacc_dma_write #(
  parameter int unsigned DataBits    = 64, // of a word: 16, 32 .. 1024
  parameter int unsigned MaxBurst    = 16, // words a burst, a power of two: 2..256, in 4 KiB
  parameter int unsigned Outstanding = 8   // bursts under way: 2, 4, 8 ..
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,          // synchronous, active low
  // commands
  input  logic                  cmd_valid_i,
  output logic                  cmd_ready_o,
  input  logic [63:0]           cmd_address_i,   // multiple of DataBits / 8
  input  logic [31:0]           cmd_beats_i,     // words; 1 or more
  // words in
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [DataBits-1:0]   in_data_i,
  // state
  output logic                  idle_o,          // no command, nothing under way
  output logic                  done_o,
  output logic                  error_o,
  output logic [63:0]           error_address_o, // with error_o
  output logic                  beat_o,          // a word went over the bus
  input  logic                  abort_i,
  // AXI4 write channels
  output logic                  m_awvalid_o,
  input  logic                  m_awready_i,
  output logic [63:0]           m_awaddr_o,
  output logic [7:0]            m_awlen_o,
  output logic [2:0]            m_awsize_o,
  output logic [1:0]            m_awburst_o,
  output logic                  m_wvalid_o,
  input  logic                  m_wready_i,
  output logic [DataBits-1:0]   m_wdata_o,
  output logic [DataBits/8-1:0] m_wstrb_o,
  output logic                  m_wlast_o,
  input  logic                  m_bvalid_i,
  output logic                  m_bready_o,
  input  logic [1:0]            m_bresp_i
);

  localparam int unsigned SizeBits   = $clog2(DataBits / 8); // address bits inside a word
  localparam int unsigned LineBits   = 12 - SizeBits;        // and of a word in a 4 KiB line
  localparam int unsigned LineWords  = 2 ** LineBits;
  localparam int unsigned WordWidth  = 64 - SizeBits;        // address of a word
  localparam int unsigned Depth      = 2 * MaxBurst;
  localparam int unsigned LevelWidth = $clog2(Depth + 1);
  localparam int unsigned BurstWidth = $clog2(MaxBurst + 1);
  localparam int unsigned SlotWidth  = $clog2(Outstanding);
  localparam int unsigned CountWidth = $clog2(Outstanding + 1);

  // The command being cut into bursts.
  logic                  busy_q;
  logic [WordWidth-1:0]  next_q;    // word address of the next burst
  logic [31:0]           left_q;    // words not yet in a burst
  logic [LineBits:0]     to_line;   // words up to the 4 KiB line
  logic [BurstWidth-1:0] burst;     // words of the next burst, 1..MaxBurst
  logic                  last_burst, issue;

  // Words waiting; the first owed_q of them belong to begun bursts.
  logic                  queue_valid, queue_ready, queue_room, queue_rst_n;
  logic [LevelWidth-1:0] level, owed_q;

  // Bursts begun: W sends the one at slot_w_q, B answers the one at slot_b_q.
  logic [WordWidth-1:0]  slot_address [0:Outstanding-1];
  logic [7:0]            slot_len     [0:Outstanding-1];
  logic                  slot_last    [0:Outstanding-1];
  logic [SlotWidth-1:0]  slot_in_q, slot_w_q, slot_b_q;
  logic [CountWidth-1:0] slots_q;
  logic [7:0]            beat_q;
  logic                  bad_q;     // this command has reported an error
  logic                  retire;

  assign to_line = (LineBits+1)'(LineWords) - {1'b0, next_q[LineBits-1:0]};

  always_comb begin
    burst = to_line > (LineBits+1)'(MaxBurst) ? BurstWidth'(MaxBurst) : to_line[BurstWidth-1:0];
    if (left_q < 32'(burst)) burst = left_q[BurstWidth-1:0];
  end

  assign last_burst = left_q == 32'(burst);
  assign issue      = busy_q && !abort_i && slots_q != CountWidth'(Outstanding) &&
                      (!m_awvalid_o || m_awready_i) &&
                      level - owed_q >= LevelWidth'(burst);

  assign cmd_ready_o = !busy_q && !abort_i;
  assign idle_o      = !busy_q && slots_q == '0;
  assign in_ready_o  = queue_room || abort_i;

  assign m_awsize_o  = 3'(SizeBits);
  assign m_awburst_o = 2'd1;
  assign m_wstrb_o   = {(DataBits/8){1'b1}};
  assign m_bready_o  = 1'b1;

  assign m_wvalid_o  = queue_valid && owed_q != '0;
  assign queue_ready = m_wready_i && owed_q != '0;
  assign m_wlast_o   = beat_q == slot_len[slot_w_q];
  assign beat_o      = m_wvalid_o && m_wready_i;
  assign retire      = m_bvalid_i && slots_q != '0;

  assign done_o          = retire && slot_last[slot_b_q] && !abort_i;
  assign error_o         = retire && m_bresp_i != 2'd0 && !bad_q && !abort_i;
  assign error_address_o = {slot_address[slot_b_q], {SizeBits{1'b0}}};

  // After an abort the queue is emptied once no begun burst needs it.
  assign queue_rst_n = rst_ni && !(abort_i && owed_q == '0);

  spacc_fifo #(.Width(DataBits), .Depth(Depth)) i_queue (
    .clk_i,
    .rst_ni      (queue_rst_n),
    .in_valid_i  (in_valid_i && queue_room && !abort_i),
    .in_ready_o  (queue_room),
    .in_data_i,
    .out_valid_o (queue_valid),
    .out_ready_i (queue_ready),
    .out_data_o  (m_wdata_o),
    .level_o     (level)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q      <= 1'b0;
      m_awvalid_o <= 1'b0;
      owed_q      <= '0;
    end else begin
      if (cmd_valid_i && cmd_ready_o) busy_q <= 1'b1;
      else if (abort_i || (issue && last_burst)) busy_q <= 1'b0;
      if (issue)            m_awvalid_o <= 1'b1;
      else if (m_awready_i) m_awvalid_o <= 1'b0;
      owed_q <= owed_q + (issue ? LevelWidth'(burst) : '0) - LevelWidth'(beat_o);
    end
    if (cmd_valid_i && cmd_ready_o) begin
      next_q <= cmd_address_i[63:SizeBits];
      left_q <= cmd_beats_i;
    end else if (issue) begin
      next_q <= next_q + WordWidth'(burst);
      left_q <= left_q - 32'(burst);
    end
    if (issue) begin
      m_awaddr_o <= {next_q, {SizeBits{1'b0}}};
      m_awlen_o  <= 8'(burst) - 8'd1;
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
      slot_in_q <= '0;
      slot_w_q  <= '0;
      slot_b_q  <= '0;
      slots_q   <= '0;
      beat_q    <= '0;
      bad_q     <= 1'b0;
    end else begin
      if (issue)               slot_in_q <= slot_in_q + 1'b1;
      if (beat_o && m_wlast_o) slot_w_q  <= slot_w_q + 1'b1;
      if (retire)              slot_b_q  <= slot_b_q + 1'b1;
      if (issue && !retire)      slots_q <= slots_q + 1'b1;
      else if (retire && !issue) slots_q <= slots_q - 1'b1;
      if (beat_o) beat_q <= m_wlast_o ? 8'd0 : beat_q + 8'd1;
      if (abort_i)     bad_q <= 1'b0;
      else if (retire) bad_q <= !slot_last[slot_b_q] && (bad_q || m_bresp_i != 2'd0);
    end
  end

`ifndef SYNTHESIS
  localparam int unsigned Low = DataBits < 64 ? DataBits : 64; // stands for a wide word
  logic [Low-1:0] in_held_q, w_held_q;
  logic           in_waits_q, w_waits_q, last_held_q;
  always_ff @(posedge clk_i) begin
    in_waits_q <= rst_ni && !abort_i && in_valid_i && !in_ready_o;
    w_waits_q  <= rst_ni && m_wvalid_o && !m_wready_i;
    if (in_valid_i) in_held_q               <= in_data_i[Low-1:0];
    if (m_wvalid_o) {last_held_q, w_held_q} <= {m_wlast_o, m_wdata_o[Low-1:0]};
    if (rst_ni && !abort_i && in_waits_q)
      InHolds: assert (in_valid_i && in_data_i[Low-1:0] == in_held_q)
          else $error("producer changed a word before it was taken");
    if (rst_ni && w_waits_q)
      WHolds: assert (m_wvalid_o && m_wlast_o == last_held_q && m_wdata_o[Low-1:0] == w_held_q)
          else $error("W changed before it was taken");
  end

  initial assert (DataBits >= 16 && DataBits <= 1024 && 2 ** $clog2(DataBits) == DataBits)
      else $fatal(1, "DataBits must be a power of two, 16..1024");
  initial assert (MaxBurst >= 2 && MaxBurst <= 256 && MaxBurst <= LineWords &&
                  2 ** $clog2(MaxBurst) == MaxBurst)
      else $fatal(1, "MaxBurst must be a power of two, 2..256, of at most 4 KiB");
  initial assert (Outstanding >= 2 && 2 ** SlotWidth == Outstanding)
      else $fatal(1, "Outstanding must be a power of two, 2 or more");

  CommandFits: assert property (@(posedge clk_i) disable iff (!rst_ni)
      cmd_valid_i |-> cmd_beats_i != 0 && cmd_address_i[SizeBits-1:0] == 0)
      else $error("command is empty or not aligned to a word");

  CommandHolds: assert property (@(posedge clk_i) disable iff (!rst_ni || abort_i)
      cmd_valid_i && !cmd_ready_o
      |=> cmd_valid_i && $stable({cmd_address_i, cmd_beats_i}))
      else $error("command changed before it was taken");

  AwHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      m_awvalid_o && !m_awready_i |=> m_awvalid_o && $stable({m_awaddr_o, m_awlen_o}))
      else $error("AW changed before it was taken");

  AwStaysInLine: assert property (@(posedge clk_i) disable iff (!rst_ni)
      m_awvalid_o |-> 32'(m_awaddr_o[11:SizeBits]) + 32'(m_awlen_o) < LineWords)
      else $error("burst crosses a 4 KiB line");

  BExpected: assert property (@(posedge clk_i) disable iff (!rst_ni)
      m_bvalid_i |-> slots_q != 0)
      else $error("B without a burst");
`endif

endmodule
