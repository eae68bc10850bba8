/// The card without its bus: controller, sequencer, array, requantisers, cell units, and
/// the way of their results to the h memory and to the bus.
///
///   read beats ─> memories       issue ─> array ─> requant ─┬─> cells ──┬─> h memory
///                                                           │           └─> gather ─┐
///                                                           └─> rows ───────────────┴─> y FIFO ─> write beats
module spacc_core #(
  parameter  int unsigned Pes          = 16,
  parameter  int unsigned Lanes        = 16,
  parameter  int unsigned Cells        = 1,
  parameter  int unsigned SharedRows   = 1,
  parameter  int unsigned WeightBits   = 16,
  parameter  int unsigned ActBits      = 16,
  parameter  int unsigned IndexBits    = 8,
  parameter  int unsigned AxiBits      = 64,
  parameter  int unsigned WeightWords  = 8192,
  parameter  int unsigned XWords       = 512,
  parameter  int unsigned HWords       = 512,
  parameter  int unsigned Units        = 2048,
  parameter  int unsigned PsumWords    = 64,
  parameter  int unsigned Instructions = 64,
  parameter  int unsigned Queue        = 0,    // rows that a PE queues; 0: no masked RUNs
  parameter  bit          SmallCell    = 1'b0, // spacc_cell_small: one multiplier, CellCycles a unit
  localparam int unsigned CounterBits  = 64 * spacc_card_pkg::Counters
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,        // synchronous, active low
  // registers
  input  logic                   start_i,
  output logic                   done_o,
  input  logic [63:0]            program_ptr_i,
  input  logic [63:0]            weights_ptr_i,
  input  logic [63:0]            input_ptr_i,
  input  logic [63:0]            output_ptr_i,
  input  logic [31:0]            program_bytes_i,
  input  logic [31:0]            weights_bytes_i,
  input  logic [31:0]            input_bytes_i,
  input  logic [31:0]            output_bytes_i,
  input  logic [31:0]            watchdog_cycles_i,
  output logic [31:0]            error_code_o,
  output logic [31:0]            error_pc_o,
  output logic [63:0]            error_address_o,
  output logic [CounterBits-1:0] counters_o,
  // to spacc_dma_read
  output logic                   read_cmd_valid_o,
  input  logic                   read_cmd_ready_i,
  output logic [63:0]            read_cmd_address_o,
  output logic [31:0]            read_cmd_beats_o,
  input  logic                   read_valid_i,
  output logic                   read_ready_o,
  input  logic [AxiBits-1:0]     read_data_i,
  input  logic                   read_last_i,
  input  logic                   read_idle_i,
  input  logic                   read_error_i,
  input  logic [63:0]            read_error_address_i,
  input  logic                   read_beat_i,
  // to spacc_dma_write
  output logic                   write_cmd_valid_o,
  input  logic                   write_cmd_ready_i,
  output logic [63:0]            write_cmd_address_o,
  output logic [31:0]            write_cmd_beats_o,
  output logic                   write_valid_o,
  input  logic                   write_ready_i,
  output logic [AxiBits-1:0]     write_data_o,
  input  logic                   write_idle_i,
  input  logic                   write_error_i,
  input  logic [63:0]            write_error_address_i,
  input  logic                   write_beat_i,
  output logic                   abort_o        // to both
);

  localparam int unsigned Rows        = 4 * Cells;      // that leave the array at once
  localparam int unsigned Moves       = Pes / Rows;
  localparam int unsigned RowCycles   = Rows > Lanes ? Rows / Lanes : 1;
  localparam int unsigned CellCycles  = SmallCell ? 22 : 1;
  localparam int unsigned BeatLanes   = AxiBits / 16;
  localparam int unsigned HLanes      = Rows < Lanes ? Rows : Lanes;
  localparam int unsigned CellUnits   = Units / Cells;  // of one cell lane
  localparam int unsigned CellShift   = $clog2(Cells);
  localparam int unsigned ChunkBytes  = 2048;
  localparam int unsigned WordBytes   = Pes * Lanes * 2;
  localparam int unsigned ChunkWords  = WordBytes < ChunkBytes ? ChunkBytes / WordBytes : 1;
  localparam int unsigned WordWidth   = $clog2(WeightWords);
  localparam int unsigned XWidth      = $clog2(XWords);
  localparam int unsigned HWidth      = $clog2(HWords);
  localparam int unsigned BaseWidth   = XWidth > HWidth ? XWidth : HWidth;
  localparam int unsigned PsumWidth   = $clog2(PsumWords);
  localparam int unsigned UnitWidth   = $clog2(Units);
  localparam int unsigned CellWidth   = $clog2(CellUnits);
  localparam int unsigned BeatSlices  = Lanes / BeatLanes;
  localparam int unsigned BeatWidth   = BeatSlices > 1 ? $clog2(BeatSlices) : 1;
  localparam int unsigned HSlices     = Lanes / HLanes;
  localparam int unsigned SliceWidth  = HSlices > 1 ? $clog2(HSlices) : 1;
  localparam int unsigned AccBits     = 48;
  localparam int unsigned FifoDepth   = 128 + 8 * Moves;
  localparam int unsigned LevelWidth  = $clog2(FifoDepth + 1);
  localparam int unsigned MaskBeats   = spacc_card_pkg::MaskBeats;

  // ------------------------------------------------------------ controller
  logic                            masked, issue_pop, dealt;
  logic [7:0]                      skipped;
  logic                            load_weight_start, load_weight_beat, load_wide, ww_valid, ww_word_end;
  logic [WordWidth-1:0]            load_weight_base, ww_word;
  logic [15:0]                     ww_pe;
  logic [BeatWidth-1:0]            ww_slice;
  logic [BeatLanes*WeightBits-1:0] ww_weight;
  logic [BeatLanes*IndexBits-1:0]  ww_index;
  logic [3:0]              pw_valid;
  logic [UnitWidth-1:0]    pw_unit, sw_unit, sr_unit;
  logic [53:0]             pw_data;
  logic                    sw_valid, sr_valid;
  logic [23:0]             sw_data, sr_data;
  logic                    load_fill_start, load_fill_beat;
  logic [HWidth-1:0]       load_fill_base;
  logic                    flush, run_start, running, run_done, run_bad_address;
  logic [511:0]            instruction;
  logic [CellWidth:0]      run_results;
  logic [BaseWidth-1:0]    h_base1, m_base;
  logic [XWidth:0]         slot_words;
  logic [31:0]             x_bytes, y_beats, x_region_bytes, y_region_bytes;
  logic [63:0]             x_ptr, y_ptr, run_address;
  logic                    stream, stream_wide;
  logic [31:0]             stream_words;
  logic [63:0]             stream_address;
  logic [WordWidth-1:0]    stream_base, stream_ring_last;
  logic [WordWidth:0]      stream_ring_words;
  logic [3:0]              run_cause;
  logic [7:0]              gate_cuts_q, state_cuts_q;
  logic                    control_read_valid, control_read_ready, control_write_cmd, control_write_valid;
  logic [63:0]             control_read_address, control_write_address;
  logic [AxiBits-1:0]      control_write_data;
  logic [31:0]             control_read_beats, control_write_beats;

  spacc_control #(
    .Pes(Pes), .Lanes(Lanes), .Cells(Cells), .WeightBits(WeightBits), .AxiBits(AxiBits), .WeightWords(WeightWords),
    .XWords(XWords), .HWords(HWords), .Units(Units), .PsumWords(PsumWords), .Instructions(Instructions),
    .ChunkWords(ChunkWords), .Queue(Queue)
  ) u_control (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .start_i(start_i), .done_o(done_o),
    .program_ptr_i(program_ptr_i), .weights_ptr_i(weights_ptr_i), .input_ptr_i(input_ptr_i),
    .output_ptr_i(output_ptr_i), .program_bytes_i(program_bytes_i), .weights_bytes_i(weights_bytes_i),
    .input_bytes_i(input_bytes_i), .output_bytes_i(output_bytes_i), .watchdog_cycles_i(watchdog_cycles_i),
    .error_code_o(error_code_o), .error_pc_o(error_pc_o), .error_address_o(error_address_o),
    .counters_o(counters_o),
    .read_cmd_valid_o(control_read_valid), .read_cmd_ready_i(read_cmd_ready_i && !running),
    .read_cmd_address_o(control_read_address), .read_cmd_beats_o(control_read_beats),
    .read_valid_i(read_valid_i && !running), .read_ready_o(control_read_ready), .read_data_i(read_data_i),
    .read_last_i(read_last_i), .read_idle_i(read_idle_i), .read_error_i(read_error_i),
    .read_error_address_i(read_error_address_i), .read_beat_i(read_beat_i),
    .write_cmd_valid_o(control_write_cmd), .write_cmd_ready_i(write_cmd_ready_i && !running),
    .write_cmd_address_o(control_write_address), .write_cmd_beats_o(control_write_beats),
    .write_valid_o(control_write_valid), .write_ready_i(write_ready_i && !running),
    .write_data_o(control_write_data), .write_idle_i(write_idle_i), .write_error_i(write_error_i),
    .write_error_address_i(write_error_address_i), .write_beat_i(write_beat_i),
    .abort_o(abort_o),
    .weight_start_o(load_weight_start), .weight_base_o(load_weight_base), .weight_wide_o(load_wide),
    .weight_beat_o(load_weight_beat),
    .pw_valid_o(pw_valid), .pw_unit_o(pw_unit), .pw_data_o(pw_data),
    .sw_valid_o(sw_valid), .sw_unit_o(sw_unit), .sw_data_o(sw_data),
    .sr_valid_o(sr_valid), .sr_unit_o(sr_unit), .sr_data_i(sr_data),
    .fill_start_o(load_fill_start), .fill_base_o(load_fill_base), .fill_beat_o(load_fill_beat),
    .flush_o(flush), .instruction_o(instruction), .run_results_o(run_results), .run_start_o(run_start),
    .running_o(running), .run_done_i(run_done),
    .h_base1_o(h_base1), .m_base_o(m_base), .slot_words_o(slot_words), .x_bytes_o(x_bytes), .y_beats_o(y_beats),
    .x_ptr_o(x_ptr), .x_region_bytes_o(x_region_bytes), .y_ptr_o(y_ptr), .y_region_bytes_o(y_region_bytes),
    .stream_o(stream), .stream_wide_o(stream_wide), .stream_words_o(stream_words),
    .stream_address_o(stream_address), .stream_base_o(stream_base), .stream_ring_words_o(stream_ring_words),
    .stream_ring_last_o(stream_ring_last),
    .run_bad_address_i(run_bad_address), .run_address_i(run_address), .run_cause_i(run_cause),
    .masked_o(masked), .dealt_i(dealt), .pop_i(issue_pop), .skipped_i(skipped),
    .gate_cuts_i(gate_cuts_q), .state_cuts_i(state_cuts_q)
  );

  // ------------------------------------------------------------ sequencer
  logic [2:0]             cell_type;
  logic [1:0]             act_g, act_h;
  logic                   linear, lstmp, reset_cell, two_pass, half;
  logic [7:0]             batch;
  logic [15:0]            groups, groups_b;
  logic                   issue_valid, issue_first, issue_from_psum, issue_store, issue_last, issue_h, issue_zero;
  logic [PsumWidth-1:0]   issue_psum_word;
  logic [WordWidth-1:0]   issue_word;
  logic [BaseWidth-1:0]   issue_base;
  logic                   pass_b, result, x_beat, stream_beat, y_take, y_beat;
  logic [XWidth-1:0]      x_word;
  logic [BeatWidth-1:0]   x_slice;
  logic                   run_read_cmd, run_write_cmd;
  logic [63:0]            run_read_address, run_write_address;
  logic [31:0]            run_read_beats, run_write_beats;
  logic [LevelWidth-1:0]  y_level;
  logic [Pes-1:0]         push, queue_full, queue_empty, now;   // rows of a masked RUN
  logic [WordWidth-1:0]   push_word;
  logic [XWidth-1:0]      push_base;
  logic [CellWidth-1:0]   push_index;
  logic [3:0]             push_step;
  logic [4*Pes-1:0]       next_step, now_step;

  assign cell_type  = instruction[spacc_card_pkg::FRunCell +: 3];
  assign act_g      = instruction[spacc_card_pkg::FRunActG +: 2];
  assign act_h      = instruction[spacc_card_pkg::FRunActH +: 2];
  assign batch      = instruction[spacc_card_pkg::FRunBatch +: 8];
  assign groups     = instruction[spacc_card_pkg::FRunGroups +: 16];
  assign groups_b   = instruction[spacc_card_pkg::FRunGroupsB +: 16];
  assign half       = instruction[spacc_card_pkg::FRunHalf];
  assign linear     = cell_type == spacc_card_pkg::CellLinear;
  assign lstmp      = cell_type == spacc_card_pkg::CellLstmp;
  assign reset_cell = cell_type == spacc_card_pkg::CellGruReset;
  assign two_pass   = lstmp || reset_cell;

  spacc_run #(
    .Pes(Pes), .Lanes(Lanes), .Cells(Cells), .AxiBits(AxiBits), .WeightWords(WeightWords), .XWords(XWords),
    .HWords(HWords), .PsumWords(PsumWords), .RowCycles(RowCycles), .CellCycles(CellCycles), .ChunkWords(ChunkWords), .FifoDepth(FifoDepth), .Queue(Queue), .MaskBeats(MaskBeats), .IndexWidth(CellWidth)
  ) u_run (
    .clk_i(clk_i), .rst_ni(rst_ni && !flush), .start_i(run_start), .done_o(run_done), .instruction_i(instruction),
    .h_base1_i(h_base1), .m_base_i(m_base), .slot_words_i(slot_words), .x_bytes_i(x_bytes), .y_beats_i(y_beats),
    .x_ptr_i(x_ptr), .x_region_bytes_i(x_region_bytes), .y_ptr_i(y_ptr), .y_region_bytes_i(y_region_bytes),
    .stream_i(stream), .stream_wide_i(stream_wide), .stream_words_i(stream_words),
    .stream_address_i(stream_address), .stream_base_i(stream_base), .stream_ring_words_i(stream_ring_words),
    .stream_ring_last_i(stream_ring_last),
    .issue_valid_o(issue_valid), .issue_first_o(issue_first), .issue_from_psum_o(issue_from_psum),
    .issue_store_o(issue_store), .issue_last_o(issue_last), .issue_h_o(issue_h), .issue_zero_o(issue_zero),
    .issue_psum_word_o(issue_psum_word), .issue_word_o(issue_word), .issue_base_o(issue_base),
    .issue_pop_o(issue_pop), .masked_i(masked),
    .push_o(push), .push_word_o(push_word), .push_base_o(push_base), .push_index_o(push_index),
    .push_step_o(push_step), .full_i(queue_full), .empty_i(queue_empty), .next_step_i(next_step),
    .now_i(now), .now_step_i(now_step), .dealt_o(dealt), .skipped_o(skipped),
    .pass_b_o(pass_b), .result_i(result),
    .read_cmd_valid_o(run_read_cmd), .read_cmd_ready_i(read_cmd_ready_i), .read_cmd_address_o(run_read_address),
    .read_cmd_beats_o(run_read_beats), .read_beat_i(running && read_valid_i), .read_data_i(read_data_i),
    .read_last_i(read_last_i),
    .x_beat_o(x_beat), .x_word_o(x_word), .x_slice_o(x_slice),
    .weight_beat_o(stream_beat), .weight_word_i(ww_word_end),
    .write_cmd_valid_o(run_write_cmd), .write_cmd_ready_i(write_cmd_ready_i), .write_cmd_address_o(run_write_address),
    .write_cmd_beats_o(run_write_beats), .y_level_i(y_level), .y_take_o(y_take), .y_beat_i(y_beat),
    .bus_idle_i(read_idle_i && write_idle_i),
    .bad_address_o(run_bad_address), .address_o(run_address), .cause_o(run_cause)
  );

  // ------------------------------------------------------------ weights and x from the bus
  spacc_weights #(
    .Pes(Pes), .Lanes(Lanes), .AxiBits(AxiBits), .WeightBits(WeightBits), .IndexBits(IndexBits),
    .WordWidth(WordWidth)
  ) u_weights (
    .clk_i(clk_i), .rst_ni(rst_ni && !flush),
    .start_i(run_start || load_weight_start), .base_i(running || run_start ? stream_base : load_weight_base),
    .ring_last_i(running ? stream_ring_last : WordWidth'(WeightWords - 1)),
    .wide_i(running ? stream_wide : load_wide),
    .beat_i(stream_beat || load_weight_beat), .data_i(read_data_i),
    .ww_valid_o(ww_valid), .ww_pe_o(ww_pe), .ww_word_o(ww_word), .ww_slice_o(ww_slice), .ww_weight_o(ww_weight),
    .ww_index_o(ww_index), .word_o(ww_word_end)
  );

  logic                    xw_valid_q;
  logic [XWidth-1:0]       xw_word_q;
  logic [BeatWidth-1:0]    xw_slice_q;
  logic [BeatLanes*16-1:0] xw_data_q;
  always_ff @(posedge clk_i) begin
    xw_valid_q <= rst_ni && x_beat;
    if (x_beat) begin
      xw_word_q  <= x_word;
      xw_slice_q <= x_slice;
      xw_data_q  <= read_data_i;
    end
  end

  // ------------------------------------------------------------ array
  logic                    rows_valid, hw_valid_q;
  logic [HWidth-1:0]       hw_word_q;
  logic [SliceWidth-1:0]   hw_slice_q;
  logic [HLanes-1:0]       hw_mask_q;
  logic [HLanes*16-1:0]    hw_data_q;
  logic [Rows*AccBits-1:0] rows_sums;
  logic [Rows-1:0]         rows_used, rows_used6;
  logic [Rows*CellWidth-1:0] rows_group;   // index of the row's group's results

  spacc_array #(
    .Pes(Pes), .Lanes(Lanes), .Cells(Cells), .BeatLanes(BeatLanes), .HLanes(HLanes), .SharedRows(SharedRows),
    .WeightBits(WeightBits), .ActBits(ActBits),
    .IndexBits(IndexBits), .WeightWords(WeightWords), .XWords(XWords), .HWords(HWords), .PsumWords(PsumWords),
    .AccBits(AccBits), .Queue(Queue), .IndexWidth(CellWidth)
  ) u_array (
    .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(flush),
    .ww_valid_i(ww_valid), .ww_pe_i(ww_pe), .ww_word_i(ww_word), .ww_slice_i(ww_slice), .ww_weight_i(ww_weight),
    .ww_index_i(ww_index),
    .xw_valid_i(xw_valid_q), .xw_word_i(xw_word_q), .xw_slice_i(xw_slice_q), .xw_data_i(xw_data_q),
    .hw_valid_i(hw_valid_q), .hw_word_i(hw_word_q), .hw_slice_i(hw_slice_q), .hw_mask_i(hw_mask_q),
    .hw_data_i(hw_data_q),
    .issue_valid_i(issue_valid), .issue_first_i(issue_first), .issue_from_psum_i(issue_from_psum),
    .issue_store_i(issue_store), .issue_last_i(issue_last), .issue_h_i(issue_h), .issue_zero_i(issue_zero),
    .issue_psum_word_i(issue_psum_word), .issue_word_i(issue_word), .issue_base_i(issue_base),
    .masked_i(masked), .issue_pop_i(issue_pop),
    .push_i(push), .push_word_i(push_word), .push_base_i(push_base), .push_index_i(push_index),
    .push_step_i(push_step), .full_o(queue_full), .empty_o(queue_empty), .next_step_o(next_step),
    .now_o(now), .now_step_o(now_step), .rows_used_o(rows_used), .rows_index_o(rows_group),
    .gap_i(lstmp && pass_b ? 5'(RowCycles - 1) : linear ? 5'd0 : 5'(CellCycles - 1)), .rows_valid_o(rows_valid), .rows_sums_o(rows_sums)
  );

  // ------------------------------------------------------------ requantisers
  logic [CellWidth-1:0] row_index, state_offset, param_unit, state_unit;
  logic                 row_zero, row_last, row_odd;

  spacc_walk #(.Moves(Moves), .IndexWidth(CellWidth), .OffsetWidth(CellWidth)) u_row_walk (
    .clk_i(clk_i), .start_i(run_start), .advance_i(rows_valid), .two_pass_i(two_pass), .pass_b_i(pass_b),
    .groups_i(masked ? 16'd1 : pass_b ? groups_b : groups), .batch_i(batch), .stride_i(run_results[CellWidth-1:0]),
    .index_o(row_index), .offset_o(state_offset), .last_o(row_last), .first_step_o(row_zero), .odd_o(row_odd)
  );

  assign param_unit = instruction[spacc_card_pkg::FRunParamBase + CellShift +: CellWidth] +
                      (pass_b ? run_results[CellWidth-1:0] : '0) + row_index;
  assign state_unit = instruction[spacc_card_pkg::FRunStateBase + CellShift +: CellWidth] + state_offset + row_index;

  logic [6:0] rq_valid;   // bit s: stage s moves; 6: rows are out
  logic [6:1] rq_valid_q;
  assign rq_valid = {rq_valid_q, rows_valid};
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush) rq_valid_q <= '0;
    else                  rq_valid_q <= rq_valid[5:0];
  end

  logic [CellWidth-1:0] cell_unit;
  logic                 cell_zero;
  spacc_delay #(.Width(CellWidth + 1), .Stages(6)) u_unit (
    .clk_i(clk_i), .enable_i(rq_valid[5:0]),
    .in_data_i({row_zero && instruction[spacc_card_pkg::FRunZero], state_unit}), .out_data_o({cell_zero, cell_unit}));

  if (Queue > 0) begin : gen_used
    spacc_delay #(.Width(Rows), .Stages(6)) u_used (
      .clk_i(clk_i), .enable_i(rq_valid[5:0]), .in_data_i(rows_used), .out_data_o(rows_used6));
  end else begin : gen_all_used
    assign rows_used6 = '1;
  end

  logic [32*Rows-1:0] rows_v;
  logic [20*Rows-1:0] rows_z;
  logic [16*Rows-1:0] rows_r;     // the low 16 bits of z
  logic [Rows-1:0]    cut_z, cut32, used;
  logic               narrow_all; // rows 2 and 3 of the GRUs keep 20 bits
  assign narrow_all = lstmp || cell_type == spacc_card_pkg::CellLstm;

  // A parameter goes to the cell lane of its unit.
  function automatic logic of_lane(input logic [UnitWidth-1:0] unit, input int unsigned lane);
    of_lane = (32'(unit) & 32'(Cells - 1)) == lane;
  endfunction

  for (genvar e = 0; e < Cells; e++) begin : gen_lane
    for (genvar r = 0; r < 4; r++) begin : gen_row
      localparam int unsigned Row = 4 * e + r;
      // Rows of a masked RUN that leave together are of different groups.
      logic [CellWidth-1:0] row_param;
      if (Queue > 0) begin : gen_masked
        assign row_param = param_unit + (masked ? rows_group[CellWidth*Row +: CellWidth] : '0);
      end else begin : gen_all
        assign row_param = param_unit;
      end
      spacc_requant #(.Units(CellUnits), .AccBits(AccBits)) u_requant (
        .clk_i(clk_i),
        .pw_valid_i(pw_valid[r] && of_lane(pw_unit, e)), .pw_unit_i(pw_unit[CellShift +: CellWidth]),
        .pw_data_i(pw_data),
        .narrow_i(r < 2 || narrow_all),
        .enable_i(rq_valid[5:0]), .unit_i(row_param), .sum_i(rows_sums[AccBits*Row +: AccBits]),
        .v_o(row_v), .z_o(rows_z[20*Row +: 20]), .cut32_o(cut32[Row]), .cut_z_o(cut_z[Row])
      );
      // GRU_RESET has z, r, n in pass A, n in pass B. Rows that nobody wanted are 0.
      logic [31:0] row_v;
      assign used[Row] = (!reset_cell || (r == 3) == pass_b) && (!masked || rows_used6[Row]);
      assign rows_v[32*Row +: 32] = !masked || rows_used6[Row] ? row_v : 32'd0;
      assign rows_r[16*Row +: 16] = rows_z[20*Row +: 16];
    end
  end

  // ------------------------------------------------------------ cell units
  logic [Cells-1:0]     h_out_valid_all, gate_cut;
  logic [2*Cells-1:0]   state_cuts;
  logic [16*Cells-1:0]  h_out;
  logic [24*Cells-1:0]  lane_state;
  logic                 h_out_valid, cell_in;
  logic [UnitWidth-1:0] sr_unit_q;

  assign cell_in     = rq_valid[6] && !linear && !(lstmp && pass_b);
  assign h_out_valid = h_out_valid_all[0];
  always_ff @(posedge clk_i) sr_unit_q <= sr_unit;
  assign sr_data     = lane_state[24*(32'(sr_unit_q) & 32'(Cells - 1)) +: 24];

  for (genvar e = 0; e < Cells; e++) begin : gen_cell
    if (SmallCell) begin : gen_small
      logic ready;
      spacc_cell_small #(.Units(CellUnits)) u_cell (
        .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(flush),
        .config_cell_i(cell_type), .config_pass_b_i(pass_b), .config_act_g_i(act_g), .config_act_h_i(act_h),
        .sw_valid_i(sw_valid && of_lane(sw_unit, e)), .sw_unit_i(sw_unit[CellShift +: CellWidth]), .sw_data_i(sw_data),
        .sr_valid_i(sr_valid), .sr_unit_i(sr_unit[CellShift +: CellWidth]), .sr_data_o(lane_state[24*e +: 24]),
        .in_ready_o(ready), .in_valid_i(cell_in), .in_unit_i(cell_unit), .in_zero_i(cell_zero),
        .in_z_i(rows_z[80*e +: 80]), .out_valid_o(h_out_valid_all[e]), .out_h_o(h_out[16*e +: 16]),
        .gate_cut_o(gate_cut[e]), .state_cuts_o(state_cuts[2*e +: 2])
      );
`ifndef SYNTHESIS
      always_ff @(posedge clk_i) begin
        if (rst_ni && cell_in) CellReady: assert (ready) else $error("quad for a busy cell unit");
      end
`endif
      logic unused_ready;
      assign unused_ready = ready;
    end else begin : gen_full
      spacc_cell #(.Units(CellUnits)) u_cell (
        .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(flush),
        .config_cell_i(cell_type), .config_pass_b_i(pass_b), .config_act_g_i(act_g), .config_act_h_i(act_h),
        .sw_valid_i(sw_valid && of_lane(sw_unit, e)), .sw_unit_i(sw_unit[CellShift +: CellWidth]), .sw_data_i(sw_data),
        .sr_valid_i(sr_valid), .sr_unit_i(sr_unit[CellShift +: CellWidth]), .sr_data_o(lane_state[24*e +: 24]),
        .in_valid_i(cell_in), .in_unit_i(cell_unit), .in_zero_i(cell_zero), .in_z_i(rows_z[80*e +: 80]),
        .out_valid_o(h_out_valid_all[e]), .out_h_o(h_out[16*e +: 16]),
        .gate_cut_o(gate_cut[e]), .state_cuts_o(state_cuts[2*e +: 2])
      );
    end
  end

  // ------------------------------------------------------------ cuts
  function automatic logic [7:0] ones(input logic [Rows-1:0] bits);
    ones = 8'd0;
    for (int i = 0; i < Rows; i++) ones += {7'd0, bits[i]};
  endfunction
  function automatic logic [7:0] cell_ones(input logic [2*Cells-1:0] bits);
    cell_ones = 8'd0;
    for (int i = 0; i < Cells; i++) cell_ones += {6'd0, bits[2*i +: 2]};
  endfunction
  function automatic logic [7:0] lane_ones(input logic [Cells-1:0] bits);
    lane_ones = 8'd0;
    for (int i = 0; i < Cells; i++) lane_ones += {7'd0, bits[i]};
  endfunction

  logic       row_states;         // cuts of rows are cuts of states: LINEAR, r
  logic [7:0] row_cuts;
  assign row_states = linear || (lstmp && pass_b);
  assign row_cuts   = !rq_valid[6] ? 8'd0 : ones(used & (linear ? cut32 : cut_z));
  always_ff @(posedge clk_i) begin
    gate_cuts_q  <= (row_states ? 8'd0 : row_cuts) + lane_ones(gate_cut);
    state_cuts_q <= (row_states ? row_cuts : 8'd0) + cell_ones(state_cuts);
  end

  // ------------------------------------------------------------ h memory
  // Rows of a projection leave so far apart that RowCycles words can be written for each.
  localparam int unsigned SubWidth = RowCycles > 1 ? $clog2(RowCycles) : 1;
  logic                project, project_q, project_end, h_advance, h_last, h_first, h_odd;
  logic [SubWidth-1:0] sub_q;
  logic [BaseWidth-1:0] h_index, h_offset, h_dest, h_base0;
  logic [BaseWidth-1:0] h_stride;

  assign project     = (rq_valid[6] && lstmp && pass_b) || project_q; // a word of r is written
  assign project_end = project && sub_q == SubWidth'(RowCycles - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush) begin
      project_q <= 1'b0;
      sub_q     <= '0;
    end else begin
      project_q <= project && !project_end;
      if (project) sub_q <= project_end ? '0 : sub_q + 1'b1;
    end
  end

  assign h_advance = h_out_valid || project_end;
  assign h_stride  = two_pass && !pass_b ? instruction[spacc_card_pkg::FRunMWords +: BaseWidth]
                                         : instruction[spacc_card_pkg::FRunHWords +: BaseWidth];

  localparam int unsigned IndexWidth = CellWidth > BaseWidth ? CellWidth : BaseWidth;
  logic [IndexWidth-1:0] h_index_wide;
  spacc_walk #(.Moves(Moves), .IndexWidth(IndexWidth), .OffsetWidth(BaseWidth)) u_h_walk (
    .clk_i(clk_i), .start_i(run_start), .advance_i(h_advance), .two_pass_i(two_pass), .pass_b_i(pass_b),
    .groups_i(pass_b ? groups_b : groups), .batch_i(batch), .stride_i(h_stride),
    .index_o(h_index_wide), .offset_o(h_offset), .last_o(h_last), .first_step_o(h_first), .odd_o(h_odd)
  );

  // Word and lanes of a cell's h: Lanes / Cells results a word; of rows: Lanes / Rows a word, or
  // RowCycles words a result; of a loaded beat: BeatSlices a word.
  localparam int unsigned CellWordShift = $clog2(Lanes / Cells);
  localparam int unsigned RowWordShift  = Lanes > Rows ? $clog2(Lanes / Rows) : 0;
  localparam int unsigned RowSubShift   = $clog2(RowCycles);
  localparam int unsigned CellParts     = HLanes / Cells;      // of a slice
  localparam int unsigned BeatParts     = HLanes / BeatLanes;
  logic [31:0]          cell_place, row_place, fill_place;     // counted in results, beats
  logic [HLanes-1:0]    cell_mask, fill_mask;
  logic [HLanes*16-1:0] cell_data, row_data, fill_data;
  logic [31:0]          fill_count_q;

  assign h_base0    = instruction[spacc_card_pkg::FRunHBase +: BaseWidth];
  assign h_dest     = (two_pass && !pass_b ? m_base : half == h_odd ? h_base1 : h_base0) + h_offset;
  assign cell_place = 32'(h_index_wide) & 32'(Lanes / Cells - 1);
  assign row_place  = 32'(h_index_wide) & 32'((1 << RowWordShift) - 1);
  assign fill_place = fill_count_q & 32'(BeatSlices - 1);
  assign h_index    = project ? BaseWidth'((h_index_wide >> RowWordShift) << RowSubShift) + BaseWidth'(sub_q)
                              : BaseWidth'(h_index_wide >> CellWordShift);

  for (genvar l = 0; l < HLanes; l++) begin : gen_h_lane
    assign cell_mask[l]          = (cell_place & 32'(CellParts - 1)) == l / Cells;
    assign cell_data[16*l +: 16] = h_out[16*(l%Cells) +: 16];
    assign row_data[16*l +: 16]  = rows_r[16*(HLanes*32'(sub_q)+l) +: 16];
    assign fill_mask[l]          = (fill_place & 32'(BeatParts - 1)) == l / BeatLanes;
    assign fill_data[16*l +: 16] = read_data_i[16*(l%BeatLanes) +: 16];
  end

  always_ff @(posedge clk_i) begin
    if (load_fill_start)     fill_count_q <= 32'd0;
    else if (load_fill_beat) fill_count_q <= fill_count_q + 32'd1;

    hw_valid_q <= rst_ni && !flush && (h_out_valid || project || load_fill_beat);
    if (h_out_valid || project) begin
      hw_word_q  <= HWidth'(h_dest + h_index);
      hw_slice_q <= project ? SliceWidth'(row_place) : SliceWidth'(cell_place / CellParts);
      hw_mask_q  <= project ? {HLanes{1'b1}} : cell_mask;
      hw_data_q  <= project ? row_data : cell_data;
    end else if (load_fill_beat) begin
      hw_word_q  <= load_fill_base + HWidth'(fill_count_q / BeatSlices);
      hw_slice_q <= SliceWidth'(fill_place / BeatParts);
      hw_mask_q  <= fill_mask;
      hw_data_q  <= fill_data;
    end
  end

  assign result = linear ? rq_valid[6] : h_advance;

  // ------------------------------------------------------------ y
  // An entry of the FIFO is a beat of h, or all rows that leave at once: v, or r in the low half.
  localparam int unsigned GatherParts = AxiBits / (16 * Cells);
  localparam int unsigned RowParts    = 128 * Cells / AxiBits;   // beats of an entry of v
  localparam int unsigned PartWidth   = $clog2(RowParts);
  localparam int unsigned GatherWidth = GatherParts > 1 ? $clog2(GatherParts) : 1;
  logic [AxiBits-1:0]     gather_q, gather;
  logic [GatherWidth-1:0] gather_count_q;
  logic                   h_final, gather_end;

  assign h_final    = h_out_valid && pass_b == two_pass;
  assign gather_end = h_final && (gather_count_q == GatherWidth'(GatherParts - 1) || h_last);
  for (genvar g = 0; g < GatherParts; g++) begin : gen_gather
    logic here, later; // this result is part g; it is a part before g
    assign here = gather_count_q == GatherWidth'(g);
    if (g > 0) begin : gen_zero
      assign later = gather_count_q < GatherWidth'(g);
    end else begin : gen_none
      assign later = 1'b0;
    end
    assign gather[16*Cells*g +: 16*Cells] = here ? h_out : later ? '0 : gather_q[16*Cells*g +: 16*Cells];
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush || gather_end) gather_count_q <= '0;
    else if (h_final)                   gather_count_q <= gather_count_q + 1'b1;
    if (h_final) gather_q <= gather;
  end

  logic                 y_push, y_ready, y_valid, y_pop;
  logic [128*Cells-1:0] y_in, y_out;
  logic [PartWidth-1:0] y_part_q, y_parts;   // beats of an entry, less 1

  assign y_push  = linear ? rq_valid[6] : lstmp ? rq_valid[6] && pass_b : gather_end;
  assign y_in    = linear ? rows_v : lstmp ? {{(64*Cells){1'b0}}, rows_r} : {{(128*Cells-AxiBits){1'b0}}, gather};
  assign y_parts = linear ? PartWidth'(RowParts - 1) : lstmp ? PartWidth'(RowParts / 2 - 1) : '0;

  spacc_fifo #(.Width(128 * Cells), .Depth(FifoDepth)) u_y (
    .clk_i(clk_i), .rst_ni(rst_ni && !flush),
    .in_valid_i(y_push), .in_ready_o(y_ready), .in_data_i(y_in),
    .out_valid_o(y_valid), .out_ready_i(y_pop), .out_data_o(y_out), .level_o(y_level)
  );

  assign y_beat = running && y_take && y_valid && write_ready_i;
  assign y_pop  = y_beat && y_part_q == y_parts;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush || run_start || y_pop) y_part_q <= '0;
    else if (y_beat)                            y_part_q <= y_part_q + 1'b1;
  end

  // ------------------------------------------------------------ bus
  assign read_cmd_valid_o    = running ? run_read_cmd : control_read_valid;
  assign read_cmd_address_o  = running ? run_read_address : control_read_address;
  assign read_cmd_beats_o    = running ? run_read_beats : control_read_beats;
  assign read_ready_o        = running || control_read_ready;
  assign write_cmd_valid_o   = running ? run_write_cmd : control_write_cmd;
  assign write_cmd_address_o = running ? run_write_address : control_write_address;
  assign write_cmd_beats_o   = running ? run_write_beats : control_write_beats;
  assign write_valid_o       = running ? y_take && y_valid : control_write_valid;
  assign write_data_o        = running ? y_out[AxiBits*y_part_q +: AxiBits] : control_write_data;

`ifndef SYNTHESIS
  // Groups end only when their y has room.
  always_ff @(posedge clk_i) begin
    if (rst_ni && !flush && y_push) YFits: assert (y_ready) else $error("y FIFO overflow");
  end
`endif

  logic unused_bits;
  assign unused_bits = ^{y_ready, sr_unit_q, row_place, row_last, row_odd, h_first, h_out_valid_all, run_results[CellWidth],
                         rows_used, rows_group};

endmodule
