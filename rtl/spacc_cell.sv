/// The cell unit: from the four pre-activations of a unit to its new state and h.
///
/// One quad a cycle, latency 13. `config_*` is constant while quads are under way; a unit
/// may come again (next step, pass B) only after its quad has left. The state memory holds
/// c (LSTM) or h (GRU); pass A of GRU_RESET keeps the update gate and the x part of n.
///
/// cycle   LSTM                      GRU                    GRU_RESET A     GRU_RESET B
/// 0..2    sigmoid i, o, f; act_g c  sigmoid z, r           sigmoid z, r    -
/// 3       f * c, i * g              r * z_nh               r * h           -
/// 4..5    c'                        nz                     rh              nz
/// 6       narrow c'                 -                      -               -
/// 7..9    act_h                     act_g                  -               act_g
/// 10..11  o * t                     zg * (h - n)           -               zg * (h - n)
/// 12      h                         h                      rh              h
module spacc_cell #(
  parameter  int unsigned Units     = 2048,
  localparam int unsigned UnitWidth = $clog2(Units)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,         // synchronous, active low
  input  logic                 flush_i,
  // constant during a pass
  input  logic [2:0]           config_cell_i,  // not LINEAR; LSTMP is LSTM here
  input  logic                 config_pass_b_i,
  input  logic [1:0]           config_act_g_i,
  input  logic [1:0]           config_act_h_i,
  // state memory from outside, only while no quad is under way
  input  logic                 sw_valid_i,
  input  logic [UnitWidth-1:0] sw_unit_i,
  input  logic [23:0]          sw_data_i,
  input  logic                 sr_valid_i,
  input  logic [UnitWidth-1:0] sr_unit_i,
  output logic [23:0]          sr_data_o,      // the cycle after sr_valid_i
  // quads in
  input  logic                 in_valid_i,
  input  logic [UnitWidth-1:0] in_unit_i,      // address in the state memory
  input  logic                 in_zero_i,      // take 0 for the state
  input  logic [79:0]          in_z_i,         // 20 bits a row, row 0 lowest; 16 used but of a GRU's n
  // h out
  output logic                 out_valid_o,
  output logic [15:0]          out_h_o,
  // cuts of this cycle
  output logic                 gate_cut_o,
  output logic [1:0]           state_cuts_o
);

  localparam int unsigned Latency = 13;

  // Bit s: stage s moves in this cycle.
  logic [Latency:0] valid;
  logic [Latency:1] valid_q;
  assign valid = {valid_q, in_valid_i};
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) valid_q <= '0;
    else                    valid_q <= valid[Latency-1:0];
  end

  logic lstm, reset_a, reset_b;
  assign lstm    = config_cell_i == spacc_card_pkg::CellLstm || config_cell_i == spacc_card_pkg::CellLstmp;
  assign reset_a = config_cell_i == spacc_card_pkg::CellGruReset && !config_pass_b_i;
  assign reset_b = config_cell_i == spacc_card_pkg::CellGruReset && config_pass_b_i;

  // Unit numbers: to the state read (stage 2), the kept gates (3) and the write (13).
  logic [UnitWidth-1:0] unit2, unit3_q, unit13;
  logic                 zero2, zero3_q;
  spacc_delay #(.Width(UnitWidth), .Stages(2)) u_unit2 (
    .clk_i(clk_i), .enable_i(valid[1:0]), .in_data_i(in_unit_i), .out_data_o(unit2));
  always_ff @(posedge clk_i) if (valid[2]) {zero3_q, unit3_q} <= {zero2, unit2};
  spacc_delay #(.Width(UnitWidth), .Stages(11)) u_unit13 (
    .clk_i(clk_i), .enable_i(valid[12:2]), .in_data_i(unit2), .out_data_o(unit13));
  spacc_delay #(.Width(1), .Stages(2)) u_zero2 (
    .clk_i(clk_i), .enable_i(valid[1:0]), .in_data_i(in_zero_i), .out_data_o(zero2));

  // Stages 0..2: gates. Rows 2 and 3 go along for the GRUs.
  logic signed [15:0] gate0, gate1, gate2, gate3;
  logic signed [19:0] row2, row3;
  spacc_sigmoid u_gate0 (.clk_i(clk_i), .enable_i(valid[2:0]),
    .z_i(in_z_i[15:0]), .y_o(gate0));
  spacc_sigmoid u_gate1 (.clk_i(clk_i), .enable_i(valid[2:0]),
    .z_i(in_z_i[35:20]), .y_o(gate1));
  spacc_sigmoid u_gate2 (.clk_i(clk_i), .enable_i(valid[2:0]),
    .z_i(in_z_i[55:40]), .y_o(gate2));
  spacc_act u_gate3 (.clk_i(clk_i), .enable_i(valid[2:0]), .act_i(config_act_g_i),
    .z_i(in_z_i[75:60]), .y_o(gate3));
  spacc_delay #(.Width(40), .Stages(3)) u_rows (.clk_i(clk_i), .enable_i(valid[2:0]),
    .in_data_i(in_z_i[79:40]), .out_data_o({row3, row2}));

  // State and kept gates: read at stage 2, ready with the gates.
  logic        [23:0] state_mem [0:Units-1];
  logic        [23:0] state_q;
  logic signed [23:0] state;
  logic        [35:0] keep_mem [0:Units-1];  // {update gate, x part of n}
  logic        [35:0] keep_q;
  logic               state_read, state_write, keep_write;
  logic [UnitWidth-1:0] state_read_unit, state_write_unit;
  logic        [23:0] state_write_data, new_state;

  assign state_read       = valid[2] || sr_valid_i;
  assign state_read_unit  = valid[2] ? unit2 : sr_unit_i;
  assign state_write      = sw_valid_i || (valid[13] && !reset_a);
  assign state_write_unit = sw_valid_i ? sw_unit_i : unit13;
  assign state_write_data = sw_valid_i ? sw_data_i : new_state;
  assign sr_data_o        = state_q;
  assign state            = zero3_q ? 24'd0 : state_q;
  assign keep_write       = valid[3] && reset_a;

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (state_read)  state_q <= state_mem[state_read_unit];
    if (state_write) state_mem[state_write_unit] = state_write_data;
  end
  always_ff @(posedge clk_i) begin
    if (valid[2] && reset_b) keep_q <= keep_mem[unit2];
    if (keep_write)          keep_mem[unit3_q] = {gate0, row2};
  end
  /* verilator lint_on BLKSEQ */

  // Cuts as functions {cut, value}: the simulator works them out only when their stage moves.
  function automatic logic [24:0] to24(input logic [25:0] wide);
    to24 = wide[25:23] == {3{wide[25]}} ? {1'b0, wide[23:0]} : {1'b1, wide[25], {23{!wide[25]}}};
  endfunction
  function automatic logic [16:0] to16(input logic signed [22:0] wide);
    to16 = wide[22:15] == {8{wide[22]}} ? {1'b0, wide[15:0]} : {1'b1, wide[22], {15{!wide[22]}}};
  endfunction

  // Stage 3: the products behind the state.
  logic signed [15:0] kept_gate, state_h, factor_a;
  logic signed [19:0] kept_x, factor_b, row2_3q, row3_3q;
  logic signed [35:0] product_a_q;
  logic signed [39:0] product_c_q;
  logic signed [15:0] out_gate, h3;

  assign kept_gate = keep_q[35:20];
  assign kept_x    = keep_q[19:0];
  assign state_h   = state[15:0];
  assign factor_a  = lstm ? gate0 : gate1;
  assign factor_b  = lstm ? {{4{gate3[15]}}, gate3} : reset_a ? {{4{state_h[15]}}, state_h} : row3;
  // Gate of the last product: o (LSTM), z (GRU), z of pass A.
  assign out_gate  = lstm ? gate1 : reset_b ? kept_gate : gate0;
  assign h3        = state_h;

  always_ff @(posedge clk_i) begin
    if (valid[3]) begin
      product_a_q <= factor_a * factor_b;
      product_c_q <= gate2 * state;
      row2_3q     <= reset_b ? kept_x : row2;
      row3_3q     <= row3;
    end
  end

  // Stage 4: sums before rounding, with half of the last place.
  logic signed [41:0] c_sum_q;
  logic signed [35:0] a_round_q;
  logic signed [19:0] row2_4q, row3_4q;
  logic signed [41:0] a_wide, c_wide_product;

  assign a_wide         = 42'(product_a_q);
  assign c_wide_product = 42'(product_c_q);
  always_ff @(posedge clk_i) begin
    if (valid[4]) begin
      c_sum_q   <= (c_wide_product <<< 1) + (config_act_g_i == spacc_card_pkg::ActTanh ? a_wide : a_wide <<< 3)
                   + 42'sd32768;
      a_round_q <= (product_a_q + 36'sd16384) >>> 15;
      row2_4q   <= row2_3q;
      row3_4q   <= row3_3q;
    end
  end

  // Stage 5: c', nz or rh.
  logic signed [23:0] c5_q;
  logic signed [15:0] n5_q, rh5_q;
  logic               c_cut5_q, n_cut5_q, rh_cut5_q, gate_cut5, state_cut5;

  // In the format of z: three fraction bits less than tanh's when act_g is not tanh.
  function automatic logic signed [22:0] sum_n(input logic signed [19:0] row, input logic signed [21:0] other,
                                               input logic tanh);
    sum_n = 23'(22'(row) + other);
    if (!tanh) sum_n = (sum_n + 23'sd2) >>> 2;
  endfunction

  always_ff @(posedge clk_i) begin
    if (valid[5]) begin
      {c_cut5_q, c5_q}   <= to24(c_sum_q[41:16]);
      {n_cut5_q, n5_q}   <= to16(sum_n(row2_4q, reset_b ? 22'(row3_4q) : a_round_q[21:0],
                                       config_act_g_i == spacc_card_pkg::ActTanh));
      {rh_cut5_q, rh5_q} <= to16(23'($signed(a_round_q[17:0])));
    end
  end
  assign gate_cut5  = !lstm && !reset_a && n_cut5_q;
  assign state_cut5 = lstm ? c_cut5_q : reset_a && rh_cut5_q;

  // Stage 6: what the second activation sees.
  logic signed [15:0] t6_q;
  always_ff @(posedge clk_i) begin
    if (valid[6]) t6_q <= lstm ? 16'(to16(23'((25'(c5_q) + 25'sd2) >>> 2))) : n5_q;
  end

  // Stages 7..9
  logic signed [15:0] t9;
  spacc_act u_act2 (.clk_i(clk_i), .enable_i(valid[9:7]),
    .act_i(lstm ? config_act_h_i : config_act_g_i), .z_i(t6_q), .y_o(t9));

  // Words that wait for the end of the pipeline.
  logic signed [15:0] gate10, h10, n12, rh12;
  logic signed [15:0] gate10_q;
  logic        [23:0] c13;
  spacc_delay #(.Width(32), .Stages(7)) u_gate10 (.clk_i(clk_i), .enable_i(valid[9:3]),
    .in_data_i({out_gate, h3}), .out_data_o({gate10, h10}));
  spacc_delay #(.Width(16), .Stages(6)) u_rh12 (.clk_i(clk_i), .enable_i(valid[11:6]),
    .in_data_i(rh5_q), .out_data_o(rh12));
  spacc_delay #(.Width(24), .Stages(7)) u_c13 (.clk_i(clk_i), .enable_i(valid[12:6]),
    .in_data_i(c5_q), .out_data_o(c13));
  spacc_delay #(.Width(16), .Stages(2)) u_n12 (.clk_i(clk_i), .enable_i(valid[11:10]),
    .in_data_i(t9), .out_data_o(n12));

  // Stages 10 and 11: the last product.
  logic signed [16:0] factor10_q;
  logic signed [32:0] product11_q;
  always_ff @(posedge clk_i) begin
    if (valid[10]) begin
      factor10_q <= lstm ? 17'(t9) : 17'(h10) - 17'(t9);
      gate10_q   <= gate10;
    end
    if (valid[11]) product11_q <= gate10_q * factor10_q;
  end

  // Stage 12: round, add, cut.
  logic               state_cut12_q;
  logic signed [15:0] h13_q;
  function automatic logic signed [22:0] sum_h(input logic signed [32:0] product, input logic signed [15:0] n);
    sum_h = 23'((34'(product) + 34'sd16384) >>> 15) + 23'(n);
  endfunction
  always_ff @(posedge clk_i) begin
    if (valid[12])
      {state_cut12_q, h13_q} <= reset_a ? {1'b0, rh12} : to16(sum_h(product11_q, lstm ? 16'sd0 : n12));
  end

  assign out_valid_o  = valid[13];
  assign out_h_o      = h13_q;
  assign new_state    = lstm ? c13 : {{8{h13_q[15]}}, h13_q};
  assign gate_cut_o   = valid[6] && gate_cut5;
  assign state_cuts_o = {1'b0, valid[6] && state_cut5} + {1'b0, valid[13] && state_cut12_q};

  logic unused_bits; // sign copies and dropped fractions
  assign unused_bits = ^{c_sum_q[15:0], a_round_q[35:22], in_z_i[39:36], in_z_i[19:16]};

endmodule
