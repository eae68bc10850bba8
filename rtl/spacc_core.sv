/// The card without its bus: controller, sequencer, array, requantisers, cell unit, and
/// the packer that turns h or linear outputs into 64-bit words for the vector memory and
/// for the y FIFO.
///
///   read words ─> memories            issue ─> array ─> requant x4 ─┬─> cell ─> pack ─┬─> y FIFO ─> write words
///                                                ^                  └── linear ───────┘
///                                                └──────────── h words ───────┘
module spacc_core #(
  parameter  int unsigned Pes          = 16,
  parameter  int unsigned Lanes        = 16,
  parameter  int unsigned WeightBits   = 16,
  parameter  int unsigned IndexBits    = 8,
  parameter  int unsigned WeightWords  = 8192,
  parameter  int unsigned VectorWords  = 512,
  parameter  int unsigned Units        = 2048,
  parameter  int unsigned Instructions = 64,
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
  input  logic [63:0]            read_data_i,
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
  output logic [63:0]            write_data_o,
  input  logic                   write_idle_i,
  input  logic                   write_error_i,
  input  logic [63:0]            write_error_address_i,
  input  logic                   write_beat_i,
  output logic                   abort_o        // to both
);

  localparam int unsigned WordWidth   = $clog2(WeightWords);
  localparam int unsigned VectorWidth = $clog2(VectorWords);
  localparam int unsigned UnitWidth   = $clog2(Units);
  localparam int unsigned Quads       = Lanes / 4;
  localparam int unsigned QuadWidth   = Quads > 1 ? $clog2(Quads) : 1;
  localparam int unsigned AccBits     = 48;
  localparam int unsigned FifoDepth   = 128 + 2 * Pes;
  localparam int unsigned LevelWidth  = $clog2(FifoDepth + 1);

  // ------------------------------------------------------------ controller
  logic                    ww_valid;
  logic [15:0]             ww_pe;
  logic [WordWidth-1:0]    ww_word;
  logic [QuadWidth-1:0]    ww_quad;
  logic [4*WeightBits-1:0] ww_weight;
  logic [4*IndexBits-1:0]  ww_index;
  logic [3:0]              pw_valid;
  logic [UnitWidth-1:0]    pw_unit, sw_unit, sr_unit;
  logic [53:0]             pw_data;
  logic                    sw_valid, sr_valid;
  logic [23:0]             sw_data, sr_data;
  logic                    load_fill_start, load_fill, fill_take;
  logic [VectorWidth-1:0]  load_fill_base;
  logic                    flush, run_start, running, run_done, run_bad_address;
  logic [511:0]            instruction;
  logic [UnitWidth:0]      run_units;
  logic [63:0]             x_ptr, y_ptr, run_address;
  logic [31:0]             x_bytes, y_bytes;
  logic [2:0]              run_cause, gate_cuts_q, state_cuts_q;
  logic                    control_read_valid, control_read_ready, control_write_cmd, control_write_valid;
  logic [63:0]             control_read_address, control_write_address, control_write_data;
  logic [31:0]             control_read_beats, control_write_beats;

  spacc_control #(
    .Pes(Pes), .Lanes(Lanes), .WeightBits(WeightBits), .IndexBits(IndexBits), .WeightWords(WeightWords),
    .VectorWords(VectorWords), .Units(Units), .Instructions(Instructions)
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
    .ww_valid_o(ww_valid), .ww_pe_o(ww_pe), .ww_word_o(ww_word), .ww_quad_o(ww_quad), .ww_weight_o(ww_weight),
    .ww_index_o(ww_index), .pw_valid_o(pw_valid), .pw_unit_o(pw_unit), .pw_data_o(pw_data),
    .sw_valid_o(sw_valid), .sw_unit_o(sw_unit), .sw_data_o(sw_data),
    .sr_valid_o(sr_valid), .sr_unit_o(sr_unit), .sr_data_i(sr_data),
    .fill_start_o(load_fill_start), .fill_base_o(load_fill_base), .fill_o(load_fill), .fill_take_i(fill_take),
    .flush_o(flush), .instruction_o(instruction), .run_units_o(run_units), .run_start_o(run_start),
    .running_o(running), .run_done_i(run_done),
    .x_ptr_o(x_ptr), .x_bytes_o(x_bytes), .y_ptr_o(y_ptr), .y_bytes_o(y_bytes),
    .run_bad_address_i(run_bad_address), .run_address_i(run_address), .run_cause_i(run_cause),
    .gate_cuts_i(gate_cuts_q), .state_cuts_i(state_cuts_q)
  );

  // ------------------------------------------------------------ sequencer
  logic [1:0]             cell_type, act_g, act_h;
  logic                   linear;
  logic                   issue_valid, issue_first, issue_last, pass_start, pass_b, quad_out;
  logic [WordWidth-1:0]   issue_word;
  logic [VectorWidth-1:0] issue_base, h_write_base, x_fill_base;
  logic                   x_cmd_valid, x_last, y_cmd_valid, y_take, y_beat;
  logic [63:0]            x_cmd_address, y_cmd_address;
  logic [31:0]            x_cmd_beats, y_cmd_beats;
  logic [LevelWidth-1:0]  y_level;

  assign cell_type = instruction[spacc_card_pkg::FRunCell +: 2];
  assign act_g     = instruction[spacc_card_pkg::FRunActG +: 2];
  assign act_h     = instruction[spacc_card_pkg::FRunActH +: 2];
  assign linear    = cell_type == spacc_card_pkg::CellLinear;

  spacc_run #(
    .Pes(Pes), .Lanes(Lanes), .WeightWords(WeightWords), .VectorWords(VectorWords), .Units(Units),
    .FifoDepth(FifoDepth)
  ) u_run (
    .clk_i(clk_i), .rst_ni(rst_ni && !flush),
    .start_i(run_start), .done_o(run_done), .linear_i(linear),
    .reset_cell_i(cell_type == spacc_card_pkg::CellGruReset),
    .steps_i(instruction[spacc_card_pkg::FRunSteps +: 32]),
    .groups_i(instruction[spacc_card_pkg::FRunGroups +: UnitWidth+1]),
    .units_i(run_units),
    .k_x_i(instruction[spacc_card_pkg::FRunKX +: 16]),
    .k_h_i(instruction[spacc_card_pkg::FRunKH +: 16]),
    .weight_base_i(instruction[spacc_card_pkg::FRunWeightBase +: WordWidth]),
    .x_words_i(instruction[spacc_card_pkg::FRunXWords +: VectorWidth+1]),
    .x_base_i(instruction[spacc_card_pkg::FRunXBase +: VectorWidth]),
    .h_words_i(instruction[spacc_card_pkg::FRunHWords +: VectorWidth+1]),
    .h_base_i(instruction[spacc_card_pkg::FRunHBase +: VectorWidth]),
    .x_offset_i(instruction[spacc_card_pkg::FRunXOffset +: 32]),
    .x_stride_i(instruction[spacc_card_pkg::FRunXStride +: 32]),
    .y_offset_i(instruction[spacc_card_pkg::FRunYOffset +: 32]),
    .y_stride_i(instruction[spacc_card_pkg::FRunYStride +: 32]),
    .x_ptr_i(x_ptr), .x_bytes_i(x_bytes), .y_ptr_i(y_ptr), .y_bytes_i(y_bytes),
    .issue_valid_o(issue_valid), .issue_first_o(issue_first), .issue_last_o(issue_last),
    .issue_word_o(issue_word), .issue_base_o(issue_base),
    .pass_start_o(pass_start), .pass_b_o(pass_b), .h_write_base_o(h_write_base), .quad_out_i(quad_out),
    .x_cmd_valid_o(x_cmd_valid), .x_cmd_ready_i(read_cmd_ready_i), .x_cmd_address_o(x_cmd_address),
    .x_cmd_beats_o(x_cmd_beats), .x_fill_base_o(x_fill_base), .x_last_i(x_last),
    .y_cmd_valid_o(y_cmd_valid), .y_cmd_ready_i(write_cmd_ready_i), .y_cmd_address_o(y_cmd_address),
    .y_cmd_beats_o(y_cmd_beats), .y_level_i(y_level), .y_take_o(y_take), .y_beat_i(y_beat),
    .bus_idle_i(read_idle_i && write_idle_i),
    .bad_address_o(run_bad_address), .address_o(run_address), .cause_o(run_cause)
  );

  // ------------------------------------------------------------ vector writes
  // h comes first; words from memory wait for it.
  logic                   h_valid, x_take, vw_valid_q;
  logic [VectorWidth-1:0] h_word, fill_word_q, vw_word_q;
  logic [QuadWidth-1:0]   h_quad, fill_quad_q, vw_quad_q;
  logic [63:0]            h_data, vw_data_q;
  logic                   fill_start;

  assign fill_take  = load_fill && read_valid_i && !h_valid;
  assign x_take     = running && !h_valid && read_valid_i;
  assign x_last     = x_take && read_last_i;
  assign fill_start = load_fill_start || (x_cmd_valid && running);

  always_ff @(posedge clk_i) begin
    if (fill_start) begin
      fill_word_q <= running ? x_fill_base : load_fill_base;
      fill_quad_q <= '0;
    end else if (fill_take || x_take) begin
      fill_quad_q <= fill_quad_q == QuadWidth'(Quads - 1) ? '0 : fill_quad_q + 1'b1;
      if (fill_quad_q == QuadWidth'(Quads - 1)) fill_word_q <= fill_word_q + 1'b1;
    end

    vw_valid_q <= rst_ni && !flush && (h_valid || fill_take || x_take);
    if (h_valid) begin
      vw_word_q <= h_word;
      vw_quad_q <= h_quad;
      vw_data_q <= h_data;
    end else if (fill_take || x_take) begin
      vw_word_q <= fill_word_q;
      vw_quad_q <= fill_quad_q;
      vw_data_q <= read_data_i;
    end
  end

  // ------------------------------------------------------------ array
  logic                 quad_valid;
  logic [4*AccBits-1:0] quad_sums;

  spacc_array #(
    .Pes(Pes), .Lanes(Lanes), .WeightBits(WeightBits), .IndexBits(IndexBits), .WeightWords(WeightWords),
    .VectorWords(VectorWords), .AccBits(AccBits)
  ) u_array (
    .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(flush),
    .ww_valid_i(ww_valid), .ww_pe_i(ww_pe), .ww_word_i(ww_word), .ww_quad_i(ww_quad), .ww_weight_i(ww_weight),
    .ww_index_i(ww_index),
    .vw_valid_i(vw_valid_q), .vw_word_i(vw_word_q), .vw_quad_i(vw_quad_q), .vw_data_i(vw_data_q),
    .issue_valid_i(issue_valid), .issue_first_i(issue_first), .issue_last_i(issue_last),
    .issue_word_i(issue_word), .issue_base_i(issue_base),
    .quad_valid_o(quad_valid), .quad_sums_o(quad_sums)
  );

  // ------------------------------------------------------------ requantisers
  // Unit of the quad, counted from the start of the pass.
  logic [UnitWidth:0]   unit_q;
  logic                 unit_last;
  logic [UnitWidth-1:0] param_unit, state_unit;

  assign unit_last  = unit_q == run_units - 1'b1;
  assign param_unit = instruction[spacc_card_pkg::FRunParamBase +: UnitWidth] +
                      (pass_b ? run_units[UnitWidth-1:0] : '0) + unit_q[UnitWidth-1:0];
  assign state_unit = instruction[spacc_card_pkg::FRunStateBase +: UnitWidth] + unit_q[UnitWidth-1:0];

  always_ff @(posedge clk_i) begin
    if (run_start || flush || !rst_ni) unit_q <= '0;
    else if (quad_valid)               unit_q <= unit_last ? '0 : unit_q + 1'b1;
  end

  logic [6:0] rq_valid;   // bit s: stage s moves; 6: rows are out
  logic [6:1] rq_valid_q;
  assign rq_valid = {rq_valid_q, quad_valid};
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush) rq_valid_q <= '0;
    else                  rq_valid_q <= rq_valid[5:0];
  end

  logic [UnitWidth-1:0] cell_unit;
  logic                 cell_last;
  spacc_delay #(.Width(UnitWidth + 1), .Stages(6)) u_unit (
    .clk_i(clk_i), .enable_i(rq_valid[5:0]), .in_data_i({unit_last, state_unit}),
    .out_data_o({cell_last, cell_unit}));

  for (genvar r = 0; r < 4; r++) begin : gen_row
    logic signed [31:0] v;
    logic signed [19:0] z;
    logic               cut32, cut_z;
    spacc_requant #(.Units(Units), .AccBits(AccBits)) u_requant (
      .clk_i(clk_i),
      .pw_valid_i(pw_valid[r]), .pw_unit_i(pw_unit), .pw_data_i(pw_data),
      .narrow_i(r < 2 || cell_type == spacc_card_pkg::CellLstm),
      .enable_i(rq_valid[5:0]), .unit_i(param_unit), .sum_i(quad_sums[AccBits*r +: AccBits]),
      .v_o(v), .z_o(z), .cut32_o(cut32), .cut_z_o(cut_z)
    );
  end

  // Rows that the pass uses: GRU_RESET has z, r, n in pass A, n in pass B.
  logic [3:0] used, cut_z, cut32, row_cuts;
  assign cut_z = {gen_row[3].cut_z, gen_row[2].cut_z, gen_row[1].cut_z, gen_row[0].cut_z};
  assign cut32 = {gen_row[3].cut32, gen_row[2].cut32, gen_row[1].cut32, gen_row[0].cut32};
  always_comb begin
    used = 4'b1111;
    if (cell_type == spacc_card_pkg::CellGruReset) used = pass_b ? 4'b1000 : 4'b0111;
    row_cuts = (linear ? cut32 : cut_z) & used & {4{rq_valid[6]}};
  end

  // ------------------------------------------------------------ cell unit
  logic        h_out_valid, h_out_last, gate_cut;
  logic [15:0] h_out;
  logic [1:0]  state_cuts;

  spacc_cell #(.Units(Units)) u_cell (
    .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(flush),
    .config_cell_i(cell_type), .config_pass_b_i(pass_b), .config_act_g_i(act_g), .config_act_h_i(act_h),
    .sw_valid_i(sw_valid), .sw_unit_i(sw_unit), .sw_data_i(sw_data),
    .sr_valid_i(sr_valid), .sr_unit_i(sr_unit), .sr_data_o(sr_data),
    .in_valid_i(rq_valid[6] && !linear), .in_unit_i(cell_unit), .in_last_i(cell_last),
    .in_z_i({gen_row[3].z, gen_row[2].z, gen_row[1].z, gen_row[0].z}),
    .out_valid_o(h_out_valid), .out_last_o(h_out_last), .out_h_o(h_out),
    .gate_cut_o(gate_cut), .state_cuts_o(state_cuts)
  );

  logic [2:0] row_cut_count;
  assign row_cut_count = {2'd0, row_cuts[0]} + {2'd0, row_cuts[1]} + {2'd0, row_cuts[2]} + {2'd0, row_cuts[3]};
  always_ff @(posedge clk_i) begin
    gate_cuts_q  <= (linear ? 3'd0 : row_cut_count) + {2'd0, gate_cut};
    state_cuts_q <= linear ? row_cut_count : {1'b0, state_cuts};
  end
  assign quad_out = linear ? rq_valid[6] : h_out_valid;

  // ------------------------------------------------------------ pack
  // Four h make a word; the last one of a pass fills up with zeros.
  logic [47:0]            part_q;    // h of this word so far, the first lowest
  logic [1:0]             part_count_q;
  logic                   word_end, h_push_q;
  logic                   h_place_new_q; // the next word is the first of a pass
  logic [VectorWidth-1:0] h_word_q;
  logic [QuadWidth-1:0]   h_quad_q;
  logic [63:0]            h_word_data;

  assign word_end = h_out_valid && (part_count_q == 2'd3 || h_out_last);
  always_comb begin
    case (part_count_q)
      2'd0:    h_word_data = {48'd0, h_out};
      2'd1:    h_word_data = {32'd0, h_out, part_q[15:0]};
      2'd2:    h_word_data = {16'd0, h_out, part_q[31:0]};
      default: h_word_data = {h_out, part_q};
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush) begin
      part_count_q <= 2'd0;
      h_push_q     <= 1'b0;
    end else begin
      h_push_q <= word_end;
      if (word_end)         part_count_q <= 2'd0;
      else if (h_out_valid) part_count_q <= part_count_q + 2'd1;
    end
    if (h_out_valid) part_q <= h_word_data[47:0];
    if (word_end)    h_data <= h_word_data;
    if (pass_start && !linear) h_place_new_q <= 1'b1;
    else if (h_push_q)         h_place_new_q <= 1'b0;
    if (h_push_q) begin
      h_quad_q <= h_quad == QuadWidth'(Quads - 1) ? '0 : h_quad + 1'b1;
      h_word_q <= h_quad == QuadWidth'(Quads - 1) ? h_word + 1'b1 : h_word;
    end
  end
  assign h_valid = h_push_q;
  assign h_word  = h_place_new_q ? h_write_base : h_word_q;
  assign h_quad  = h_place_new_q ? '0 : h_quad_q;

  // ------------------------------------------------------------ y FIFO and write words
  // An entry is a word of h, or the two words of a linear quad.
  logic         y_push, y_ready, y_valid, y_pop, y_second_q;
  logic [127:0] y_in, y_out;

  assign y_push = linear ? rq_valid[6]
                         : h_push_q && !(cell_type == spacc_card_pkg::CellGruReset && !pass_b);
  assign y_in   = linear ? {gen_row[3].v, gen_row[2].v, gen_row[1].v, gen_row[0].v} : {64'd0, h_data};

  spacc_fifo #(.Width(128), .Depth(FifoDepth)) u_y (
    .clk_i(clk_i), .rst_ni(rst_ni && !flush),
    .in_valid_i(y_push), .in_ready_o(y_ready), .in_data_i(y_in),
    .out_valid_o(y_valid), .out_ready_i(y_pop), .out_data_o(y_out), .level_o(y_level)
  );

  assign y_beat = running && y_take && y_valid && write_ready_i;
  assign y_pop  = y_beat && (!linear || y_second_q);
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush || run_start) y_second_q <= 1'b0;
    else if (y_beat && linear)         y_second_q <= !y_second_q;
  end

  // ------------------------------------------------------------ bus
  assign read_cmd_valid_o    = running ? x_cmd_valid : control_read_valid;
  assign read_cmd_address_o  = running ? x_cmd_address : control_read_address;
  assign read_cmd_beats_o    = running ? x_cmd_beats : control_read_beats;
  assign read_ready_o        = running ? !h_valid : control_read_ready;
  assign write_cmd_valid_o   = running ? y_cmd_valid : control_write_cmd;
  assign write_cmd_address_o = running ? y_cmd_address : control_write_address;
  assign write_cmd_beats_o   = running ? y_cmd_beats : control_write_beats;
  assign write_valid_o       = running ? y_take && y_valid : control_write_valid;
  assign write_data_o        = !running ? control_write_data : y_second_q ? y_out[127:64] : y_out[63:0];

`ifndef SYNTHESIS
  // Groups start only when their y has room.
  YFits: assert property (@(posedge clk_i) disable iff (!rst_ni || flush) y_push |-> y_ready)
      else $error("y FIFO overflow");
`endif
`ifdef SYNTHESIS
  logic unused_ready;
  assign unused_ready = y_ready;
`endif

endmodule
