/// The cell unit for small FPGAs: the numbers of spacc_cell with one multiplier of 16 x 16
/// bits and one pass over the tables, a unit at a time.
///
/// Takes a quad when `in_ready_o`, gives its h 22 cycles later and is ready for the next
/// in that cycle. `config_*` is constant while a quad is under way. Each product of 16 x 24
/// bits is two of 16 x 16: b = b[23:15] * 2^15 + b[14:0].
///
/// step        LSTM                   GRU          GRU_RESET A    GRU_RESET B
/// 0..3        table f, i, g, o       table r, z   table r, z     -
/// 5, 6        * f * c                r * z_nh     r * h          -
/// 7           * i * g                -            -              -
/// 10          c'                     nz           rh             nz
/// 12          table t                table n      -              table n
/// 16, 17      * o * t                zg * (h-n)   -              zg * (h-n)
/// 20          h                      h            rh             h
module spacc_cell_small #(
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
  output logic                 in_ready_o,
  input  logic                 in_valid_i,     // only while ready
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

  localparam logic [4:0] LastStep = 5'd21;

  logic lstm, reset_a, reset_b;
  assign lstm    = config_cell_i == spacc_card_pkg::CellLstm || config_cell_i == spacc_card_pkg::CellLstmp;
  assign reset_a = config_cell_i == spacc_card_pkg::CellGruReset && !config_pass_b_i;
  assign reset_b = config_cell_i == spacc_card_pkg::CellGruReset && config_pass_b_i;

  // ------------------------------------------------------------ steps
  logic                 busy_q, zero_q;
  logic [4:0]           step_q;
  logic [UnitWidth-1:0] unit_q;
  logic [79:0]          z_q;

  assign in_ready_o  = !busy_q || step_q == LastStep;
  assign out_valid_o = busy_q && step_q == LastStep;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i)   busy_q <= 1'b0;
    else if (in_valid_i)      busy_q <= 1'b1;
    else if (out_valid_o)     busy_q <= 1'b0;
    if (in_valid_i) begin
      step_q <= 5'd0;
      unit_q <= in_unit_i;
      zero_q <= in_zero_i;
      z_q    <= in_z_i;
    end else if (busy_q) begin
      step_q <= step_q + 5'd1;
    end
  end

  function automatic logic at(input logic busy, input logic [4:0] step, input logic [4:0] want);
    at = busy && step == want;
  endfunction

  logic signed [19:0] row2, row3;
  assign row2 = z_q[59:40];
  assign row3 = z_q[79:60];

  // ------------------------------------------------------------ memories
  logic        [23:0]   state_mem [0:Units-1];
  logic        [23:0]   state_q;
  logic signed [23:0]   state;
  logic        [35:0]   keep_mem [0:Units-1];  // {update gate, x part of n}
  logic        [35:0]   keep_q;
  logic                 state_read, state_write, keep_write;
  logic [UnitWidth-1:0] state_read_unit, state_write_unit;
  logic [23:0]          state_write_data, new_state;
  logic signed [15:0]   gate0_q, gate1_q, gate2_q, gate3_q, h_q;

  assign state_read       = at(busy_q, step_q, 5'd1) || sr_valid_i;
  assign state_read_unit  = sr_valid_i ? sr_unit_i : unit_q;
  assign state_write      = sw_valid_i || (out_valid_o && !reset_a);
  assign state_write_unit = sw_valid_i ? sw_unit_i : unit_q;
  assign state_write_data = sw_valid_i ? sw_data_i : new_state;
  assign sr_data_o        = state_q;
  assign state            = zero_q ? 24'd0 : state_q;
  assign keep_write       = at(busy_q, step_q, 5'd8) && reset_a;

  // Reads come first, then blocking writes: the same RAMs, and Verilator needs no copies.
  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (state_read)  state_q <= state_mem[state_read_unit];
    if (state_write) state_mem[state_write_unit] = state_write_data;
  end
  always_ff @(posedge clk_i) begin
    if (at(busy_q, step_q, 5'd1)) keep_q <= keep_mem[unit_q];
    if (keep_write)               keep_mem[unit_q] = {gate3_q, row2};
  end
  /* verilator lint_on BLKSEQ */

  // ------------------------------------------------------------ tables
  // One code a step: step s reads, s + 1 gives factors to the multiplier, s + 3 has the curve.
  localparam int unsigned SlopeBits = spacc_card_pkg::SigmoidSlopeBits > spacc_card_pkg::TanhSlopeBits ?
                                      spacc_card_pkg::SigmoidSlopeBits : spacc_card_pkg::TanhSlopeBits;
  localparam int unsigned SigmoidBits = 15 + spacc_card_pkg::SigmoidSlopeBits;
  localparam int unsigned TanhBits    = 15 + spacc_card_pkg::TanhSlopeBits;

  logic signed [15:0]     z, t_q;
  logic [14:0]            magnitude;  // min(|z|, 32767)
  logic [SigmoidBits-1:0] sigmoid_q;
  logic [TanhBits-1:0]    tanh_q;
  logic [6:0]             fraction_q;
  logic                   curved, sigmoid1_q, negative1_q, end1_q;

  // Sigmoid but for g and the second activation.
  assign curved = step_q == 5'd2 || step_q == 5'd12;
  always_comb begin
    case (step_q)
      5'd0:    z = lstm ? z_q[55:40] : z_q[35:20];
      5'd1:    z = z_q[15:0];
      5'd2:    z = z_q[75:60];
      5'd3:    z = lstm ? z_q[35:20] : z_q[15:0];
      default: z = t_q;
    endcase
    magnitude = z[14:0];
    if (z[15]) magnitude = z[14:0] == 15'd0 ? 15'h7fff : -z[14:0];
  end

  always_ff @(posedge clk_i) begin
    sigmoid_q   <= spacc_card_pkg::sigmoid_rom(magnitude[14:7]);
    tanh_q      <= spacc_card_pkg::tanh_rom(magnitude[14:7]);
    fraction_q  <= magnitude[6:0];
    sigmoid1_q  <= !curved;
    negative1_q <= z[15];
    end1_q      <= magnitude == 15'h7fff && !curved;
  end

  logic [SlopeBits-1:0] slope;
  logic [14:0]          base2_q, base3_q;
  logic                 sigmoid2_q, sigmoid3_q, negative2_q, negative3_q, end2_q, end3_q;
  logic signed [15:0]   y, curve;
  logic signed [31:0]   product_q;
  logic [31:0]          rise;
  logic [1:0]           act;
  logic signed [15:0]   act_z;

  assign slope = sigmoid1_q ? SlopeBits'(sigmoid_q[spacc_card_pkg::SigmoidSlopeBits-1:0])
                            : SlopeBits'(tanh_q[spacc_card_pkg::TanhSlopeBits-1:0]);
  always_ff @(posedge clk_i) begin
    base2_q     <= end1_q ? 15'h7fff : sigmoid1_q ? sigmoid_q[SigmoidBits-1 -: 15] : tanh_q[TanhBits-1 -: 15];
    base3_q     <= base2_q;
    sigmoid2_q  <= sigmoid1_q;
    sigmoid3_q  <= sigmoid2_q;
    negative2_q <= negative1_q;
    negative3_q <= negative2_q;
    end2_q      <= end1_q;
    end3_q      <= end2_q;
  end

  // 32768 - y is 0 - (32768 + y) in 16 bits.
  assign rise  = end3_q ? 32'd0 : (product_q + 32'sd64) >> 7;
  assign curve = {sigmoid3_q && negative3_q, base3_q + rise[14:0]};
  assign act   = step_q == 5'd5 || !lstm ? config_act_g_i : config_act_h_i;
  assign act_z = step_q == 5'd5 ? z_q[75:60] : t_q;
  always_comb begin
    y = negative3_q ? -curve : curve;
    if (!sigmoid3_q && act == spacc_card_pkg::ActRelu)     y = act_z[15] ? 16'sd0 : act_z;
    if (!sigmoid3_q && act == spacc_card_pkg::ActIdentity) y = act_z;
  end

  always_ff @(posedge clk_i) begin
    if (step_q == 5'd3)  gate0_q <= y;                            // f or r
    if (step_q == 5'd4)  gate1_q <= y;                            // i
    if (step_q == 5'd5)  gate2_q <= y;                            // g
    if (step_q == 5'd6)  gate3_q <= reset_b ? keep_q[35:20] : y;  // o or z
    if (step_q == 5'd15) gate2_q <= y;                            // t or n
  end

  // ------------------------------------------------------------ the multiplier
  logic signed [15:0] a_q, b_q;
  logic signed [16:0] difference;   // h - n
  logic signed [23:0] wide_b;

  assign difference = 17'($signed(state[15:0])) - 17'(gate2_q);
  always_comb begin
    if (step_q[4])    wide_b = lstm ? 24'(gate2_q) : 24'(difference);
    else if (lstm)    wide_b = state;
    else if (reset_a) wide_b = 24'($signed(state[15:0]));
    else              wide_b = 24'(row3);
  end

  always_ff @(posedge clk_i) begin
    case (step_q)
      5'd5:    {a_q, b_q} <= {gate0_q, {7{wide_b[23]}}, wide_b[23:15]};
      5'd6:    {a_q, b_q} <= {gate0_q, 1'b0, wide_b[14:0]};
      5'd7:    {a_q, b_q} <= {gate1_q, gate2_q};
      5'd16:   {a_q, b_q} <= {gate3_q, {7{wide_b[23]}}, wide_b[23:15]};
      5'd17:   {a_q, b_q} <= {gate3_q, 1'b0, wide_b[14:0]};
      default: {a_q, b_q} <= {16'(slope), 9'd0, fraction_q};
    endcase
    product_q <= a_q * b_q;
  end

  // ------------------------------------------------------------ sums
  // Steps 7 and 18 begin a sum; 9 and 19 add half of the last place.
  logic signed [41:0] sum_q, add, base, half;
  logic signed [41:0] product;

  assign product = 42'(product_q);
  always_comb begin
    base = sum_q;
    add  = product;
    half = 42'sd0;
    case (step_q)
      5'd7, 5'd18: begin
        base = 42'sd0;
        add  = product <<< 15;
      end
      5'd9: begin
        base = lstm ? sum_q <<< 1 : sum_q;
        add  = !lstm ? 42'sd0 : config_act_g_i == spacc_card_pkg::ActTanh ? product : product <<< 3;
        half = lstm ? 42'sd32768 : 42'sd16384;
      end
      5'd19:   half = 42'sd16384;
      default: ;
    endcase
  end
  always_ff @(posedge clk_i) begin
    if ((step_q >= 5'd7 && step_q <= 5'd9) || step_q == 5'd18 || step_q == 5'd19) sum_q <= base + add + half;
  end

  // Step 10: c', nz or rh; 11: what the second table sees.
  logic signed [25:0] c_wide;
  logic signed [20:0] rounded;         // r * z_nh or r * h
  logic signed [21:0] n_sum, n_wide;
  logic signed [24:0] t_sum;
  logic signed [22:0] t_wide;
  logic signed [23:0] middle_q;        // c', or nz or rh
  logic               c_fits, n_fits, rh_fits, t_fits, cut_q;

  assign c_wide  = sum_q[41:16];
  assign rounded = sum_q[35:15];
  assign n_sum   = (reset_b ? 22'($signed(keep_q[19:0])) : 22'(row2)) + (reset_b ? 22'(row3) : 22'(rounded));
  assign n_wide  = config_act_g_i == spacc_card_pkg::ActTanh ? n_sum : (n_sum + 22'sd2) >>> 2;
  assign c_fits  = c_wide[25:23] == {3{c_wide[25]}};
  assign n_fits  = n_wide[21:15] == {7{n_wide[21]}};
  assign rh_fits = rounded[17:15] == {3{rounded[17]}};
  assign t_sum   = 25'(middle_q) + 25'sd2;
  assign t_wide  = t_sum[24:2];
  assign t_fits  = t_wide[22:15] == {8{t_wide[22]}};

  always_ff @(posedge clk_i) begin
    if (step_q == 5'd10) begin
      if (lstm) begin
        middle_q <= c_fits ? c_wide[23:0] : {c_wide[25], {23{!c_wide[25]}}};
        cut_q    <= !c_fits;
      end else if (reset_a) begin
        middle_q <= 24'($signed(rh_fits ? rounded[15:0] : {rounded[17], {15{!rounded[17]}}}));
        cut_q    <= !rh_fits;
      end else begin
        middle_q <= 24'($signed(n_fits ? n_wide[15:0] : {n_wide[21], {15{!n_wide[21]}}}));
        cut_q    <= !n_fits;
      end
    end
    if (step_q == 5'd11) begin
      if (!lstm)       t_q <= middle_q[15:0];
      else if (t_fits) t_q <= t_wide[15:0];
      else             t_q <= {t_wide[22], {15{!t_wide[22]}}};
    end
  end

  // Step 20: h.
  logic signed [18:0] h_round, h_wide;
  logic               h_fits, h_cut_q;

  assign h_round = sum_q[33:15];
  assign h_wide  = lstm ? h_round : h_round + 19'(gate2_q);
  assign h_fits  = h_wide[18:15] == {4{h_wide[18]}};
  always_ff @(posedge clk_i) begin
    if (step_q == 5'd20) begin
      if (reset_a)     h_q <= middle_q[15:0];
      else if (h_fits) h_q <= h_wide[15:0];
      else             h_q <= {h_wide[18], {15{!h_wide[18]}}};
      h_cut_q <= !reset_a && !h_fits;
    end
  end

  assign out_h_o      = h_q;
  assign new_state    = lstm ? middle_q : {{8{h_q[15]}}, h_q};
  assign gate_cut_o   = at(busy_q, step_q, 5'd11) && cut_q && !lstm && !reset_a;
  assign state_cuts_o = {1'b0, at(busy_q, step_q, 5'd11) && cut_q && (lstm || reset_a)} +
                        {1'b0, out_valid_o && h_cut_q};

  logic unused_bits; // sign copies and dropped fractions
  assign unused_bits = ^{t_sum[1:0], rise[31:15], z_q[39:36], z_q[19:16], sum_q[14:0]};

`ifndef SYNTHESIS
  WhenReady: assert property (@(posedge clk_i) disable iff (!rst_ni || flush_i) in_valid_i |-> in_ready_o)
      else $error("a quad came while one was under way");
`endif

endmodule
