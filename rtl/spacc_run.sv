/// A RUN under way: issues positions, fetches x and streamed weights, sends y, and says
/// where each cycle went.
///
/// x goes before weights on the bus; a command that has begun to wait for the bus stays. What
/// comes back is told apart by the order of the commands.
module spacc_run #(
  parameter  int unsigned Pes         = 16,
  parameter  int unsigned Lanes       = 16,
  parameter  int unsigned Cells       = 1,
  parameter  int unsigned AxiBits     = 64,
  parameter  int unsigned WeightWords = 8192,
  parameter  int unsigned XWords      = 512,
  parameter  int unsigned HWords      = 512,
  parameter  int unsigned PsumWords   = 64,
  parameter  int unsigned RowCycles   = 1,
  parameter  int unsigned CellCycles  = 1,
  parameter  int unsigned ChunkWords  = 4,
  parameter  int unsigned FifoDepth   = 128,  // of y
  parameter  int unsigned Queue       = 0,    // rows that a PE queues; 0: no masked RUNs
  parameter  int unsigned MaskBeats   = 64,
  parameter  int unsigned IndexWidth  = 11,   // of results of a pass
  localparam int unsigned WordWidth   = $clog2(WeightWords),
  localparam int unsigned XWidth      = $clog2(XWords),
  localparam int unsigned HWidth      = $clog2(HWords),
  localparam int unsigned BaseWidth   = XWidth > HWidth ? XWidth : HWidth,
  localparam int unsigned PsumWidth   = $clog2(PsumWords),
  localparam int unsigned Slices      = Lanes * 16 / AxiBits,
  localparam int unsigned SliceWidth  = Slices > 1 ? $clog2(Slices) : 1,
  localparam int unsigned LevelWidth  = $clog2(FifoDepth + 1)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,        // synchronous, active low: also a flush
  // the instruction, and what spacc_control made of it
  input  logic                   start_i,
  output logic                   done_o,
  input  logic [511:0]           instruction_i,
  input  logic [BaseWidth-1:0]   h_base1_i,     // second half
  input  logic [BaseWidth-1:0]   m_base_i,
  input  logic [XWidth:0]        slot_words_i,  // batch * x_words
  input  logic [31:0]            x_bytes_i,     // of a step
  input  logic [31:0]            y_beats_i,     // of a step
  input  logic [63:0]            x_ptr_i,       // region of x
  input  logic [31:0]            x_region_bytes_i,
  input  logic [63:0]            y_ptr_i,
  input  logic [31:0]            y_region_bytes_i,
  input  logic                   stream_i,
  input  logic                   stream_wide_i,
  input  logic [31:0]            stream_words_i,
  input  logic [63:0]            stream_address_i,
  input  logic [WordWidth-1:0]   stream_base_i,
  input  logic [WordWidth:0]     stream_ring_words_i,
  input  logic [WordWidth-1:0]   stream_ring_last_i,
  // positions
  output logic                   issue_valid_o,
  output logic                   issue_first_o,
  output logic                   issue_from_psum_o,
  output logic                   issue_store_o,
  output logic                   issue_last_o,
  output logic                   issue_pop_o,
  output logic                   issue_h_o,
  output logic                   issue_zero_o,
  output logic [PsumWidth-1:0]   issue_psum_word_o,
  output logic [WordWidth-1:0]   issue_word_o,
  output logic [BaseWidth-1:0]   issue_base_o,
  // rows of a masked RUN, to and from the queues of the PEs
  input  logic                   masked_i,
  output logic [Pes-1:0]         push_o,
  output logic [WordWidth-1:0]   push_word_o,
  output logic [XWidth-1:0]      push_base_o,
  output logic [IndexWidth-1:0]  push_index_o,
  output logic [3:0]             push_step_o,
  input  logic [Pes-1:0]         full_i,
  input  logic [Pes-1:0]         empty_i,
  input  logic [4*Pes-1:0]       next_step_i,
  input  logic [Pes-1:0]         now_i,
  input  logic [4*Pes-1:0]       now_step_i,
  output logic                   dealt_o,       // a group was
  output logic [7:0]             skipped_o,     // rows of it that are not computed
  output logic                   pass_b_o,      // of the results that are under way
  input  logic                   result_i,      // rows have left cell unit or requantiser
  // reads
  output logic                   read_cmd_valid_o,
  input  logic                   read_cmd_ready_i,
  output logic [63:0]            read_cmd_address_o,
  output logic [31:0]            read_cmd_beats_o,
  input  logic                   read_beat_i,   // a beat arrives; always taken
  input  logic [AxiBits-1:0]     read_data_i,
  input  logic                   read_last_i,
  output logic                   x_beat_o,      // it is x
  output logic [XWidth-1:0]      x_word_o,
  output logic [SliceWidth-1:0]  x_slice_o,
  output logic                   weight_beat_o, // it is a weight
  input  logic                   weight_word_i, // a word is complete
  // writes
  output logic                   write_cmd_valid_o,
  input  logic                   write_cmd_ready_i,
  output logic [63:0]            write_cmd_address_o,
  output logic [31:0]            write_cmd_beats_o,
  input  logic [LevelWidth-1:0]  y_level_i,     // entries in the FIFO
  output logic                   y_take_o,      // beats may go to the bus
  input  logic                   y_beat_i,      // one goes
  input  logic                   bus_idle_i,    // reads and writes
  // state
  output logic                   bad_address_o, // pulse
  output logic [63:0]            address_o,     // with bad_address_o
  output logic [3:0]             cause_o        // a counter number
);

  localparam int unsigned Moves     = Pes / (4 * Cells);
  localparam int unsigned BeatShift = $clog2(AxiBits / 8);

  logic [7:0]  batch;
  logic [2:0]  cell_type;
  logic [31:0] steps;
  logic        linear, lstmp, two_pass;
  assign batch     = instruction_i[spacc_card_pkg::FRunBatch +: 8];
  assign cell_type = instruction_i[spacc_card_pkg::FRunCell +: 3];
  assign steps     = instruction_i[spacc_card_pkg::FRunSteps +: 32];
  assign linear    = cell_type == spacc_card_pkg::CellLinear;
  assign lstmp     = cell_type == spacc_card_pkg::CellLstmp;
  assign two_pass  = lstmp || cell_type == spacc_card_pkg::CellGruReset;

  // ------------------------------------------------------------ the parts
  logic       x_ready, x_release, weight_ready, weight_take, weight_release, room_q;
  logic       busy, wait_drain, wait_x, wait_weights, wait_apart;
  logic [9:0] under_way;
  logic       deal_ready, deal_end, deal_release, x_mask, x_arrived;

  spacc_issue #(
    .Moves(Moves), .RowCycles(RowCycles), .CellCycles(CellCycles), .WordWidth(WordWidth), .BaseWidth(BaseWidth), .PsumWidth(PsumWidth)
  ) u_issue (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i), .linear_i(linear), .two_pass_i(two_pass), .slow_b_i(lstmp),
    .steps_i(steps),
    .groups_i(instruction_i[spacc_card_pkg::FRunGroups +: 16]),
    .groups_b_i(instruction_i[spacc_card_pkg::FRunGroupsB +: 16]),
    .k_x_i(instruction_i[spacc_card_pkg::FRunKX +: 16]),
    .k_h_i(instruction_i[spacc_card_pkg::FRunKH +: 16]),
    .k_b_i(instruction_i[spacc_card_pkg::FRunKB +: 16]),
    .prologue_i(instruction_i[spacc_card_pkg::FRunPrologue +: 16]),
    .prologue_b_i(instruction_i[spacc_card_pkg::FRunPrologueB +: 16]),
    .batch_i(batch),
    .x_words_i(instruction_i[spacc_card_pkg::FRunXWords +: BaseWidth]),
    .x_slot_words_i(BaseWidth'(slot_words_i)),
    .x_slots_i(instruction_i[spacc_card_pkg::FRunXSlots +: 8]),
    .h_words_i(instruction_i[spacc_card_pkg::FRunHWords +: BaseWidth]),
    .m_words_i(instruction_i[spacc_card_pkg::FRunMWords +: BaseWidth]),
    .h_base0_i(instruction_i[spacc_card_pkg::FRunHBase +: BaseWidth]),
    .h_base1_i(h_base1_i), .m_base_i(m_base_i),
    .half_i(instruction_i[spacc_card_pkg::FRunHalf]), .zero_i(instruction_i[spacc_card_pkg::FRunZero]),
    .weight_base_i(stream_i ? stream_base_i : instruction_i[spacc_card_pkg::FRunWeightBase +: WordWidth]),
    .masked_i(masked_i), .stream_i(stream_i), .ring_last_i(stream_ring_last_i),
    .deal_ready_i(deal_ready), .deal_end_i(deal_end), .issue_pop_o(issue_pop_o),
    .x_ready_i(x_ready), .weight_ready_i(weight_ready), .room_i(room_q), .result_i(result_i),
    .under_way_o(under_way),
    .issue_valid_o(issue_valid_o), .issue_first_o(issue_first_o), .issue_from_psum_o(issue_from_psum_o),
    .issue_store_o(issue_store_o), .issue_last_o(issue_last_o), .issue_h_o(issue_h_o), .issue_zero_o(issue_zero_o),
    .issue_psum_word_o(issue_psum_word_o), .issue_word_o(issue_word_o), .issue_base_o(issue_base_o),
    .x_release_o(x_release), .weight_take_o(weight_take), .weight_release_o(weight_release),
    .pass_b_o(pass_b_o), .busy_o(busy),
    .wait_drain_o(wait_drain), .wait_x_o(wait_x), .wait_weights_o(wait_weights), .wait_apart_o(wait_apart)
  );

  logic        x_cmd_valid, x_cmd_ready, x_bad, x_beat;
  logic [63:0] x_cmd_address, x_bad_address;
  spacc_fetch #(.AxiBits(AxiBits), .WordWidth(XWidth), .Slices(Slices)) u_fetch (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i), .steps_i(steps), .batch_i(batch),
    .x_words_i(instruction_i[spacc_card_pkg::FRunXWords +: XWidth+1]), .slot_words_i(slot_words_i),
    .slots_i(instruction_i[spacc_card_pkg::FRunXSlots +: 8]), .masked_i(masked_i), .bytes_i(x_bytes_i),
    .offset_i(instruction_i[spacc_card_pkg::FRunXOffset +: 32]),
    .stride_i(instruction_i[spacc_card_pkg::FRunXStride +: 32]),
    .region_ptr_i(x_ptr_i), .region_bytes_i(x_region_bytes_i),
    .cmd_valid_o(x_cmd_valid), .cmd_ready_i(x_cmd_ready), .cmd_address_o(x_cmd_address),
    .beat_i(x_beat), .last_i(read_last_i), .word_o(x_word_o), .slice_o(x_slice_o),
    .mask_o(x_mask), .arrived_o(x_arrived),
    .ready_o(x_ready), .release_i(masked_i ? deal_release : x_release), .bad_address_o(x_bad), .address_o(x_bad_address)
  );

  if (Queue > 0) begin : gen_deal
    spacc_deal #(
      .Pes(Pes), .AxiBits(AxiBits), .MaskBeats(MaskBeats), .Moves(Moves), .WordWidth(WordWidth), .XWidth(XWidth),
      .IndexWidth(IndexWidth)
    ) u_deal (
      .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i && masked_i), .steps_i(steps),
      .groups_i(instruction_i[spacc_card_pkg::FRunGroups +: 16]),
      .k_x_i(instruction_i[spacc_card_pkg::FRunKX +: 16]),
      .x_words_i(instruction_i[spacc_card_pkg::FRunXWords +: XWidth]),
      .overlap_i(instruction_i[spacc_card_pkg::FRunOverlap +: 5]),
      .window_i(instruction_i[spacc_card_pkg::FRunWindow +: 4]),
      .weight_base_i(instruction_i[spacc_card_pkg::FRunWeightBase +: WordWidth]),
      .mask_beat_i(x_beat && x_mask), .mask_data_i(read_data_i), .arrived_i(masked_i && x_arrived),
      .x_release_o(deal_release),
      .push_o(push_o), .push_word_o(push_word_o), .push_base_o(push_base_o), .push_index_o(push_index_o),
      .push_step_o(push_step_o), .full_i(full_i), .empty_i(empty_i), .step_i(next_step_i),
      .now_i(now_i), .now_step_i(now_step_i),
      .ready_o(deal_ready), .end_o(deal_end), .dealt_o(dealt_o), .skipped_o(skipped_o)
    );
  end else begin : gen_all
    assign {deal_ready, deal_end, deal_release, dealt_o} = '0;
    assign {push_o, push_word_o, push_base_o, push_index_o, push_step_o} = '0;
    assign skipped_o = 8'd0;
    logic unused_deal;
    assign unused_deal = ^{read_data_i, full_i, empty_i, next_step_i, now_i, now_step_i, x_mask, x_arrived};
  end

  logic        w_cmd_valid, w_cmd_ready;
  logic [63:0] w_cmd_address;
  logic [31:0] w_cmd_bytes;
  spacc_stream #(
    .WordBytes(Pes * Lanes * 2), .ChunkWords(ChunkWords), .WordWidth(WordWidth)
  ) u_stream (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i && stream_i), .steps_i(steps), .words_i(stream_words_i),
    .wide_i(stream_wide_i), .address_i(stream_address_i), .ring_words_i(stream_ring_words_i),
    .cmd_valid_o(w_cmd_valid), .cmd_ready_i(w_cmd_ready), .cmd_address_o(w_cmd_address), .cmd_bytes_o(w_cmd_bytes),
    .word_i(weight_word_i), .take_i(weight_take), .release_i(weight_release), .ready_o(weight_ready)
  );

  logic        send_busy, y_bad;
  logic [63:0] y_bad_address;
  spacc_send #(.AxiBits(AxiBits)) u_send (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i), .steps_i(masked_i ? 32'd1 : steps), .beats_i(y_beats_i),
    .offset_i(instruction_i[spacc_card_pkg::FRunYOffset +: 32]),
    .stride_i(instruction_i[spacc_card_pkg::FRunYStride +: 32]),
    .region_ptr_i(y_ptr_i), .region_bytes_i(y_region_bytes_i),
    .cmd_valid_o(write_cmd_valid_o), .cmd_ready_i(write_cmd_ready_i), .cmd_address_o(write_cmd_address_o),
    .take_o(y_take_o), .beat_i(y_beat_i), .busy_o(send_busy), .bad_address_o(y_bad), .address_o(y_bad_address)
  );
  assign write_cmd_beats_o = y_beats_i;

  // ------------------------------------------------------------ one bus for x and weights
  logic        cmd_valid_q, cmd_weights_q, cmd_free, tags_full;
  logic [63:0] cmd_address_q;
  logic [31:0] cmd_beats_q;
  logic [15:0] tags_q;       // of commands whose beats have not all come: weights? oldest lowest
  logic [4:0]  tag_count_q;
  logic        push, pop;

  assign cmd_free    = !cmd_valid_q || push;
  assign x_cmd_ready = cmd_free;
  assign w_cmd_ready = cmd_free && !x_cmd_valid;
  assign tags_full   = tag_count_q == 5'd16;
  assign push        = read_cmd_valid_o && read_cmd_ready_i;
  assign pop         = read_beat_i && read_last_i;

  assign read_cmd_valid_o   = cmd_valid_q && !tags_full;
  assign read_cmd_address_o = cmd_address_q;
  assign read_cmd_beats_o   = cmd_beats_q;
  assign x_beat             = read_beat_i && !tags_q[0];
  assign x_beat_o           = x_beat && !x_mask;
  assign weight_beat_o      = read_beat_i && tags_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni || start_i) begin
      cmd_valid_q <= 1'b0;
      tag_count_q <= 5'd0;
    end else begin
      if (cmd_free) cmd_valid_q <= x_cmd_valid || w_cmd_valid;
      if (push && !pop)      tag_count_q <= tag_count_q + 5'd1;
      else if (pop && !push) tag_count_q <= tag_count_q - 5'd1;
    end
    if (cmd_free) begin
      cmd_weights_q <= !x_cmd_valid;
      cmd_address_q <= x_cmd_valid ? x_cmd_address : w_cmd_address;
      cmd_beats_q   <= (x_cmd_valid ? x_bytes_i : w_cmd_bytes) >> BeatShift;
    end
    if (pop) tags_q <= tags_q >> 1;
    if (push) tags_q[pop ? tag_count_q[3:0] - 4'd1 : tag_count_q[3:0]] <= cmd_weights_q;
  end

  // ------------------------------------------------------------ room for y, end, causes
  logic running_q;
  logic rest_q;   // everything was at rest

  always_ff @(posedge clk_i) begin
    room_q <= 10'(y_level_i) + under_way + 10'(2 * Moves + 4) <= 10'(FifoDepth);

    done_o <= 1'b0;
    rest_q <= 1'b0;
    if (!rst_ni) begin
      running_q <= 1'b0;
    end else if (start_i) begin
      running_q <= 1'b1;
    end else if (running_q) begin
      rest_q <= !busy && under_way == 10'd0 && !send_busy && bus_idle_i && !cmd_valid_q;
      if (rest_q && bus_idle_i) begin
        running_q <= 1'b0;
        done_o    <= 1'b1;
      end
    end
  end

  always_comb begin
    cause_o = 4'(spacc_card_pkg::CounterOut);
    if (issue_valid_o)     cause_o = 4'(spacc_card_pkg::CounterIssue);
    else if (!busy)        cause_o = under_way != 10'd0 ? 4'(spacc_card_pkg::CounterDrain)
                                                        : 4'(spacc_card_pkg::CounterOut);
    else if (wait_drain)   cause_o = 4'(spacc_card_pkg::CounterDrain);
    else if (wait_x)       cause_o = 4'(spacc_card_pkg::CounterXWait);
    else if (wait_weights) cause_o = 4'(spacc_card_pkg::CounterWeights);
    else if (wait_apart)   cause_o = 4'(spacc_card_pkg::CounterCell);
  end

  assign bad_address_o = x_bad || y_bad;
  assign address_o     = x_bad ? x_bad_address : y_bad_address;

`ifndef SYNTHESIS
  initial assert (FifoDepth >= 6 * Moves + 64 && FifoDepth < 1000) else $fatal(1, "FifoDepth must cover the pipeline");
`endif

endmodule
