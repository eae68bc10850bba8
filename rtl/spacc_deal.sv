/// Deals the rows of a masked RUN out to the PEs, and says when the array takes the next ones.
///
/// The mask of a step, a bit a row, comes with its x. Step by step and group by group, every PE
/// whose bit is set gets the group's row into its queue: a group a cycle, all of it or, while
/// one of these queues is full, nothing. So PEs work on rows of different groups, and of
/// different steps, at a time.
///
/// The array takes the next row of every PE that has one
///   - when all have one,
///   - when a queue is full that has to take a row before anything else can be dealt,
///   - when rows of the oldest of `window` steps wait: no younger step is dealt before,
///   - when everything is dealt.
/// Which rows leave together hangs on the masks alone, never on when x or masks arrive: the
/// driver finds y by the same rule (scheduler/card_deal.c).
module spacc_deal #(
  parameter  int unsigned Pes        = 16,
  parameter  int unsigned AxiBits    = 64,  // Pes or more
  parameter  int unsigned MaskBeats  = 64,
  parameter  int unsigned Moves      = 4,   // results a group
  parameter  int unsigned WordWidth  = 13,
  parameter  int unsigned XWidth     = 9,
  parameter  int unsigned IndexWidth = 11
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,        // synchronous, active low: also a flush
  input  logic                  start_i,       // of a masked RUN; fields stay
  input  logic [31:0]           steps_i,
  input  logic [15:0]           groups_i,
  input  logic [15:0]           k_x_i,
  input  logic [XWidth-1:0]     x_words_i,
  input  logic [4:0]            overlap_i,     // slots of x before its own that a step reads, too
  input  logic [3:0]            window_i,      // steps that queued rows may belong to, 1 or more
  input  logic [WordWidth-1:0]  weight_base_i,
  // x and masks
  input  logic                  mask_beat_i,
  input  logic [AxiBits-1:0]    mask_data_i,
  input  logic                  arrived_i,     // those of a step are there
  output logic                  x_release_o,   // a slot of x is free
  // queues
  output logic [Pes-1:0]        push_o,
  output logic [WordWidth-1:0]  push_word_o,
  output logic [XWidth-1:0]     push_base_o,
  output logic [IndexWidth-1:0] push_index_o,
  output logic [3:0]            push_step_o,
  input  logic [Pes-1:0]        full_i,
  input  logic [Pes-1:0]        empty_i,
  input  logic [4*Pes-1:0]      step_i,        // of the next row
  input  logic [Pes-1:0]        now_i,
  input  logic [4*Pes-1:0]      now_step_i,    // of the row under way
  // the array
  output logic                  ready_o,       // takes the next rows
  output logic                  end_o,         // there are none left
  output logic                  dealt_o,       // a group
  output logic [7:0]            skipped_o      // rows of it that are not computed
);

  localparam int unsigned Parts     = AxiBits / Pes; // groups of a beat
  localparam int unsigned PartWidth = Parts > 1 ? $clog2(Parts) : 1;

  // ------------------------------------------------------------ masks
  logic               mask_valid, mask_take, mask_ready;
  logic [AxiBits-1:0] mask;
  logic [PartWidth-1:0] part_q;
  logic [Pes-1:0]     rows;
  logic [$clog2(MaskBeats+1)-1:0] mask_level;

  spacc_fifo #(.Width(AxiBits), .Depth(MaskBeats)) u_masks (
    .clk_i(clk_i), .rst_ni(rst_ni && !start_i),
    .in_valid_i(mask_beat_i), .in_ready_o(mask_ready), .in_data_i(mask_data_i),
    .out_valid_o(mask_valid), .out_ready_i(mask_take), .out_data_o(mask), .level_o(mask_level)
  );
  assign rows = mask[Pes*32'(part_q) +: Pes];

  // ------------------------------------------------------------ dealing
  logic                  dealing_q;    // steps are left
  logic [31:0]           steps_left_q;
  logic [15:0]           groups_left_q;
  logic [7:0]            there_q;      // steps whose x and mask are there, not yet dealt
  logic [4:0]            lead_q;       // steps before x of a step stands behind others
  logic [WordWidth-1:0]  word_q;
  logic [XWidth-1:0]     base_q;
  logic [IndexWidth-1:0] index_q;
  logic [3:0]            step_q;
  logic [3:0]            oldest_q;     // the oldest step of which rows may wait
  logic [3:0]            open_q;       // steps dealt from there on
  logic                  able, stuck, deal, step_end;

  assign able      = dealing_q && there_q != 8'd0 && mask_valid && open_q != window_i;
  assign stuck     = able && (rows & full_i) != '0;
  assign deal      = able && !stuck;
  assign step_end  = deal && groups_left_q == 16'd1;
  assign mask_take = deal && (step_end || part_q == PartWidth'(Parts - 1));
  assign push_o    = deal ? rows : '0;
  assign push_word_o  = word_q;
  assign push_base_o  = base_q;
  assign push_index_o = index_q;
  assign push_step_o  = step_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni)                                 dealing_q <= 1'b0;
    else if (start_i)                            dealing_q <= 1'b1;
    else if (step_end && steps_left_q == 32'd1)  dealing_q <= 1'b0;

    if (start_i) begin
      steps_left_q <= steps_i;
      there_q      <= 8'd0;
      lead_q       <= overlap_i;
      base_q       <= '0;
      step_q       <= 4'd0;
    end else begin
      if (arrived_i && !step_end)      there_q <= there_q + 8'd1;
      else if (step_end && !arrived_i) there_q <= there_q - 8'd1;
      if (step_end) begin
        steps_left_q <= steps_left_q - 32'd1;
        step_q       <= step_q + 4'd1;
        if (lead_q != 5'd0) lead_q <= lead_q - 5'd1;
        else                base_q <= base_q + x_words_i;
      end
    end

    if (start_i || step_end) begin
      groups_left_q <= groups_i;
      part_q        <= '0;
      word_q        <= weight_base_i;
      index_q       <= '0;
    end else if (deal) begin
      groups_left_q <= groups_left_q - 16'd1;
      part_q        <= part_q == PartWidth'(Parts - 1) ? '0 : part_q + 1'b1;
      word_q        <= word_q + WordWidth'(k_x_i);
      index_q       <= index_q + IndexWidth'(Moves);
    end
  end

  // ------------------------------------------------------------ steps and their x
  logic [3:0]     under_way_q, leave_q; // older steps, of which rows may be under way; their first
  logic [4:0]     lag_q;               // ends of steps that free no slot
  logic [Pes-1:0] waits, works;        // rows of the oldest step; of the oldest under way
  logic           next_oldest, leave, held;

  for (genvar p = 0; p < Pes; p++) begin : gen_pe
    assign waits[p] = !empty_i[p] && step_i[4*p +: 4] == oldest_q;
    assign works[p] = now_i[p] && now_step_i[4*p +: 4] == leave_q;
  end
  assign next_oldest = open_q != 4'd0 && waits == '0;
  assign leave       = under_way_q != 4'd0 && works == '0;
  assign held        = open_q == window_i && waits != '0;
  assign x_release_o = leave && lag_q == 5'd0;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      oldest_q    <= 4'd0;
      leave_q     <= 4'd0;
      open_q      <= 4'd0;
      under_way_q <= 4'd0;
      lag_q       <= overlap_i;
    end else begin
      if (next_oldest) oldest_q <= oldest_q + 4'd1;
      if (leave)       leave_q  <= leave_q + 4'd1;
      if (leave && lag_q != 5'd0) lag_q <= lag_q - 5'd1;
      if (step_end && !next_oldest)      open_q <= open_q + 4'd1;
      else if (next_oldest && !step_end) open_q <= open_q - 4'd1;
      if (next_oldest && !leave)         under_way_q <= under_way_q + 4'd1;
      else if (leave && !next_oldest)    under_way_q <= under_way_q - 4'd1;
    end
  end

  // ------------------------------------------------------------ the array
  assign ready_o = empty_i == '0 || (empty_i != '1 && (stuck || held || !dealing_q));
  assign end_o   = !dealing_q && empty_i == '1;

  function automatic logic [7:0] zeros(input logic [Pes-1:0] bits);
    zeros = 8'd0;
    for (int i = 0; i < Pes; i++) zeros += {7'd0, !bits[i]};
  endfunction
  assign dealt_o   = deal;
  assign skipped_o = deal ? zeros(rows) : 8'd0;

`ifndef SYNTHESIS
  initial assert ((Pes & (Pes - 1)) == 0 && Pes <= AxiBits) else $fatal(1, "masks need a power of two of PEs, no more than a beat has bits");
  always_ff @(posedge clk_i) begin
    if (rst_ni && mask_beat_i) MaskFits: assert (mask_ready) else $error("mask memory overflow");
  end
`endif
  logic unused_bits;
  assign unused_bits = ^{mask_ready, mask_level, k_x_i};

endmodule
