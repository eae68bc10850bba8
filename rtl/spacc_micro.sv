/// The card for the smallest FPGAs: programs, registers and numbers of a 4x4 card with 8-bit
/// weights, one multiplication at a time over one memory that is inside.
///
/// Towards the host it is spacc_card: AXI4-Lite registers (whole words only), and a byte port to
/// the first HostBytes of the memory, which stand for all that a card reaches over AXI; pointers
/// count modulo that. The rest holds weights, h and row parameters. What a host can see:
///   - Batch 1, no prologue (CONFIG_CELLS: one partial sum), 8-bit weights; else BAD_FIELD. Fields are
///     not checked against the memories: programs are trusted.
///   - Counted are cycles (but those in which a MARK is written), ISSUE (multiplications), CONTROL
///     (the rest) and saturations. No watchdog: everything ends.
///   - A weight takes 2 cycles, a row 20 + its shift more, a unit 30 more.
///   - The byte port answers between runs.
///   - y ends with its last value: no zeros up to a whole beat.
/// Streamed weights are read where they lie, x as well.
module spacc_micro #(
  parameter  int unsigned WeightWords = 1728,  // words of 4 x 4 weights
  parameter  int unsigned Units       = 256,   // a power of two
  parameter  int unsigned HWords      = 256,   // words of 4
  parameter  int unsigned XWords      = 512,   // that the host may ask for
  localparam int unsigned HostBytes   = 65536,
  localparam int unsigned UnitWidth   = $clog2(Units)
) (
  input  logic        clk_i,
  input  logic        rst_ni,          // synchronous, active low; the memory stays
  output logic        interrupt_o,
  // AXI4-Lite
  input  logic        s_awvalid_i,
  output logic        s_awready_o,
  input  logic [11:0] s_awaddr_i,
  input  logic        s_wvalid_i,
  output logic        s_wready_o,
  input  logic [31:0] s_wdata_i,
  output logic        s_bvalid_o,
  input  logic        s_bready_i,
  input  logic        s_arvalid_i,
  output logic        s_arready_o,
  input  logic [11:0] s_araddr_i,
  output logic        s_rvalid_o,
  input  logic        s_rready_i,
  output logic [31:0] s_rdata_o,
  // bytes of the memory
  input  logic        port_valid_i,
  output logic        port_ready_o,
  input  logic        port_write_i,
  input  logic [15:0] port_address_i,
  input  logic [7:0]  port_data_i,
  output logic        port_valid_o,    // pulse: the byte of a read
  output logic [7:0]  port_data_o
);

  // Places in the memory of 16-bit words: host's bytes, weights, h, row parameters (aligned).
  localparam logic [15:0] WeightPlace  = 16'(HostBytes / 2);
  localparam logic [15:0] ParamPlace   = 16'(65536 - Units * 16);
  localparam logic [15:0] HPlace       = 16'(65536 - Units * 16 - HWords * 4);
  localparam logic [7:0]  PointerIndex = spacc_card_pkg::RegProgramPtr[8:1];
  localparam logic [7:0]  CounterIndex = spacc_card_pkg::RegCounters[8:1];
  localparam logic [7:0]  ErrorIndex   = spacc_card_pkg::RegErrorCode[8:1];
  localparam logic [7:0]  LastIndex    = CounterIndex + 8'(4 * spacc_card_pkg::Counters - 1);

  typedef enum logic [5:0] {
    Idle, Begin, Code, Fetch, Decode, Pointer,     // program, instruction, region
    Copy, Paste,                                   // loads, but of states
    StateRead, StateLow, StateNext, StateHigh,     // LOAD_STATE
    Keep, KeepLow, KeepHigh,                       // STORE_STATE
    Counts,                                        // MARK
    OutPointer, OutPlace, Step, Row, Entry, Operand, Params, Multiply, Shift, Result,
    Cells, WriteH, WriteY, WriteHigh, StepEnd,     // RUN
    Next, Final, Done
  } state_e;
  state_e state_q;

  // ------------------------------------------------------------ the memory
  logic [15:0] address, write_data, read;
  logic [1:0]  write;      // bytes
  spacc_micro_memory u_memory (
    .clk_i(clk_i), .address_i(address), .write_i(write), .data_i(write_data), .data_o(read));

  // ------------------------------------------------------------ registers
  // A RAM of halves, index = offset / 2: arguments, configuration, and what a run leaves.
  logic [15:0] regs [0:255];
  logic [15:0] reg_q, reg_in, count_part;
  logic [7:0]  reg_read_index, reg_write_index, core_index;
  logic        reg_write, start;

  initial begin
    for (int i = 0; i < 256; i++) regs[i] = 16'd0;
    regs[spacc_card_pkg::RegWatchdogCycles[8:1]]       = spacc_card_pkg::ResetWatchdogCycles[15:0];
    regs[spacc_card_pkg::RegWatchdogCycles[8:1] + 1]   = spacc_card_pkg::ResetWatchdogCycles[31:16];
    regs[spacc_card_pkg::RegIdentity[8:1]]             = spacc_card_pkg::IdentityMagic[15:0];
    regs[spacc_card_pkg::RegIdentity[8:1] + 1]         = spacc_card_pkg::IdentityMagic[31:16];
    regs[spacc_card_pkg::RegVersion[8:1]]              = spacc_card_pkg::IdentityVersion[15:0];
    regs[spacc_card_pkg::RegVersion[8:1] + 1]          = spacc_card_pkg::IdentityVersion[31:16];
    regs[spacc_card_pkg::RegConfigArray[8:1]]          = 16'd4;            // PEs
    regs[spacc_card_pkg::RegConfigArray[8:1] + 1]      = 16'd4;            // lanes
    regs[spacc_card_pkg::RegConfigWidths[8:1]]         = {8'd16, 8'd8};    // activations, weights
    regs[spacc_card_pkg::RegConfigWidths[8:1] + 1]     = {8'd8, 8'd8};     // bytes a beat, index
    regs[spacc_card_pkg::RegConfigWeightWords[8:1]]    = 16'(WeightWords);
    regs[spacc_card_pkg::RegConfigVectorWords[8:1]]    = 16'(XWords);
    regs[spacc_card_pkg::RegConfigVectorWords[8:1] + 1] = 16'(HWords);
    regs[spacc_card_pkg::RegConfigUnits[8:1]]          = 16'(Units);
    regs[spacc_card_pkg::RegConfigInstructions[8:1]]   = 16'd64;
    regs[spacc_card_pkg::RegConfigCells[8:1]]          = {8'd1, 8'd1};     // batch, cell lanes
    regs[spacc_card_pkg::RegConfigCells[8:1] + 1]      = 16'd1;            // partial sums
  end
  always_ff @(posedge clk_i) begin
    reg_q <= regs[reg_read_index];
    if (reg_write) regs[reg_write_index] <= reg_in;
  end

  spacc_micro_regs u_regs (
    .clk_i(clk_i), .rst_ni(rst_ni), .interrupt_o(interrupt_o),
    .s_awvalid_i(s_awvalid_i), .s_awready_o(s_awready_o), .s_awaddr_i(s_awaddr_i),
    .s_wvalid_i(s_wvalid_i), .s_wready_o(s_wready_o), .s_wdata_i(s_wdata_i),
    .s_bvalid_o(s_bvalid_o), .s_bready_i(s_bready_i),
    .s_arvalid_i(s_arvalid_i), .s_arready_o(s_arready_o), .s_araddr_i(s_araddr_i),
    .s_rvalid_o(s_rvalid_o), .s_rready_i(s_rready_i), .s_rdata_o(s_rdata_o),
    .start_o(start), .done_i(state_q == Done),
    .core_reads_i(state_q == Begin || state_q == Decode || state_q == OutPointer),
    .core_writes_i(state_q == Final), .core_index_i(core_index), .core_data_i(count_part),
    .read_index_o(reg_read_index), .read_data_i(reg_q),
    .write_o(reg_write), .write_index_o(reg_write_index), .write_data_o(reg_in)
  );

  // ------------------------------------------------------------ the instruction
  logic [14:0] code_q;                // its place
  logic [5:0]  pc_q;
  logic [5:0]  field_q;               // the half that is read now; the one before is there
  logic [7:0]  opcode_q;
  logic [3:0]  region_q;              // also the cell
  logic [1:0]  x_region_q;
  logic [1:0]  act_g_q, act_h_q;
  logic [15:0] offset_q;              // RUN: steps
  logic [15:0] count_q;               // RUN: groups
  logic [15:0] base_q;                // RUN: k_x
  logic [15:0] groups_b_q, k_h_q, k_b_q;
  logic [11:0] weight_base_q;
  logic [UnitWidth-1:0] param_base_q, state_base_q;
  logic [11:0] h_words_q, h_base_q;
  logic [15:0] x_q, x_stride_q, y_base_q, y_stride_q; // bytes; x_q: place in memory of all others, too
  logic        zero_q, half_q, refused_q, stream_q, is_run, linear, lstm, lstmp, reset_cell;

  assign is_run = opcode_q == spacc_card_pkg::OpRun;
  assign linear = region_q == {1'b0, spacc_card_pkg::CellLinear};
  assign lstm   = region_q == {1'b0, spacc_card_pkg::CellLstm};
  assign lstmp  = region_q == {1'b0, spacc_card_pkg::CellLstmp};
  assign reset_cell = region_q == {1'b0, spacc_card_pkg::CellGruReset};

  // ------------------------------------------------------------ places and counts of a RUN
  logic [15:0] entry_q, group_q;      // of weights: now, first of the group; entry: where a copy goes
  logic [15:0] weight_start_q;        // of a step
  logic [14:0] y_q;                   // words
  logic [15:0] h_read_q, h_write_q;   // words
  logic [15:0] left_q;                // positions of the part; halves of a copy; half of a counter
  logic [15:0] unit_q;
  logic [1:0]  row_q, lane_q;
  logic        h_part_q, first_step_q, pass_b_q;
  logic [15:0] operand;               // of the entry that is there
  logic [15:0] h_place0, h_place1, m_place, groups;
  logic        row_end, unit_end, pass_a, row_results;

  assign pass_a      = (lstmp || reset_cell) && !pass_b_q;  // with a pass B behind it
  assign row_results = linear || (lstmp && pass_b_q);       // rows are no cells'
  assign groups      = pass_b_q ? groups_b_q : count_q;
  assign m_place     = h_place0 + {1'd0, h_words_q, 3'd0};
  assign operand  = (pass_b_q ? m_place : h_part_q ? h_read_q : {1'b0, x_q[15:1]}) + {6'd0, read[15:8], lane_q};
  assign h_place0 = HPlace + {2'd0, h_base_q, 2'd0};
  assign h_place1 = h_place0 + {2'd0, h_words_q, 2'd0};
  assign unit_end = unit_q + 16'd1 == groups;

  // ------------------------------------------------------------ sums of a row
  // acc: sum of products, then with the bias. {high, low}: the product, shifted down.
  logic signed [39:0] acc_q;
  logic signed [41:0] high_q, sum;
  logic        [15:0] low_q;
  logic signed [7:0]  weight_q;
  logic signed [23:0] product_q;
  logic               operand_here_q, product_here_q;
  logic        [5:0]  turns_q;

  assign sum = high_q + (state_q == Multiply && low_q[0] ? 42'(acc_q) : 42'sd0);

  // What is left before the last shift: round, cut.
  logic [32:0] rounded;
  logic        negative, high_fits, fits32, fits_z, narrow;
  logic [31:0] v;
  logic [19:0] z;
  assign negative  = high_q[41];
  assign rounded   = {high_q[17:0], low_q[15:1]} + {32'd0, low_q[0]};
  assign high_fits = high_q[41:17] == {25{negative}};
  assign narrow    = lstm || lstmp || !row_q[1];
  assign fits32    = high_fits && rounded[32] == rounded[31];
  assign fits_z    = high_fits && rounded[32:19] == {14{rounded[32]}} &&
                     (!narrow || rounded[19:15] == {5{rounded[32]}});
  assign v         = fits32 ? rounded[31:0] : {negative, {31{!negative}}};
  assign z         = fits_z ? rounded[19:0] : {negative, {4{negative ^ !narrow}}, {15{!negative}}};

  // ------------------------------------------------------------ the cell unit
  logic [79:0]          z_q;
  logic                 cell_start_q, cell_done, gate_cut, unused_ready;
  logic [1:0]           state_cuts;
  logic [15:0]          h, h_q;
  logic [23:0]          state;
  logic [UnitWidth-1:0] state_unit;
  assign state_unit = (is_run ? state_base_q : base_q[UnitWidth-1:0]) + unit_q[UnitWidth-1:0];

  spacc_cell_small #(.Units(Units)) u_cell (
    .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(1'b0),
    .config_cell_i(region_q[2:0]), .config_pass_b_i(pass_b_q), .config_act_g_i(act_g_q), .config_act_h_i(act_h_q),
    .sw_valid_i(state_q == StateHigh), .sw_unit_i(state_unit), .sw_data_i({read[7:0], low_q}),
    .sr_valid_i(state_q == Keep), .sr_unit_i(state_unit), .sr_data_o(state),
    .in_ready_o(unused_ready), .in_valid_i(cell_start_q), .in_unit_i(state_unit), .in_zero_i(zero_q && first_step_q),
    .in_z_i(z_q), .out_valid_o(cell_done), .out_h_o(h), .gate_cut_o(gate_cut), .state_cuts_o(state_cuts)
  );

  // ------------------------------------------------------------ what the memory does
  always_comb begin
    address    = {1'b0, x_q[15:1]};
    write      = 2'b00;
    write_data = read;
    case (state_q)
      Idle: begin
        address    = {1'b0, port_address_i[15:1]};
        write      = port_valid_i && port_write_i ? {port_address_i[0], !port_address_i[0]} : 2'b00;
        write_data = {port_data_i, port_data_i};
      end
      Fetch: address = {1'b0, code_q} + {10'd0, field_q};
      Paste: begin
        address = entry_q;
        write   = 2'b11;
      end
      KeepLow: begin
        write      = 2'b11;
        write_data = state[15:0];
      end
      KeepHigh: begin
        write      = 2'b11;
        write_data = {{8{state[23]}}, state[23:16]};
      end
      Counts: begin
        write      = 2'b11;
        write_data = count_part;
      end
      Entry:   address = entry_q;
      Operand: address = operand;
      Params:  address = ParamPlace | 16'({param_unit, row_q, turns_q[1:0]});
      WriteH: begin
        address    = (pass_a ? m_place : h_write_q) + (row_results ? {unit_q[13:0], row_q} : unit_q);
        write      = 2'b11;
        write_data = h_q;
      end
      WriteY: begin
        address    = {1'b0, y_q};
        write      = {2{!pass_a}};
        write_data = linear ? v[15:0] : h_q;
      end
      WriteHigh: begin
        address    = {1'b0, y_q};
        write      = 2'b11;
        write_data = v[31:16];
      end
      default: ;
    endcase
  end

  logic [UnitWidth-1:0] param_unit;
  assign param_unit = param_base_q + unit_q[UnitWidth-1:0] + (pass_b_q ? count_q[UnitWidth-1:0] : '0);

  logic odd_q;
  assign port_ready_o = state_q == Idle;
  assign port_data_o  = odd_q ? read[15:8] : read[7:0];
  always_ff @(posedge clk_i) begin
    port_valid_o <= rst_ni && port_valid_i && port_ready_o && !port_write_i;
    odd_q        <= port_address_i[0];
  end

  // Low halves of the region pointers stand 12 bytes apart.
  logic [1:0] region;
  assign region = state_q == Begin ? 2'd0 : state_q == OutPointer ? 2'd3 : is_run ? x_region_q : region_q[1:0];
  always_comb begin
    case (region)
      2'd0:    core_index = PointerIndex;
      2'd1:    core_index = PointerIndex + 8'd6;
      2'd2:    core_index = PointerIndex + 8'd12;
      default: core_index = PointerIndex + 8'd18;
    endcase
    if (state_q == Final) core_index = left_q[7:0];
  end

  // ------------------------------------------------------------ counters
  logic [31:0] cycles_q, issue_q, control;
  logic [15:0] gate_q, states_q;
  logic [3:0]  error_q;
  logic [7:0]  which;        // half of a counter
  assign control = cycles_q - issue_q;
  assign which   = state_q == Final ? left_q[7:0] - CounterIndex : left_q[7:0];
  always_comb begin
    case (which)
      8'(4 * spacc_card_pkg::CounterCycles):              count_part = cycles_q[15:0];
      8'(4 * spacc_card_pkg::CounterCycles + 1):          count_part = cycles_q[31:16];
      8'(4 * spacc_card_pkg::CounterIssue):               count_part = issue_q[15:0];
      8'(4 * spacc_card_pkg::CounterIssue + 1):           count_part = issue_q[31:16];
      8'(4 * spacc_card_pkg::CounterControl):             count_part = control[15:0];
      8'(4 * spacc_card_pkg::CounterControl + 1):         count_part = control[31:16];
      8'(4 * spacc_card_pkg::CounterGateSaturations):     count_part = gate_q;
      8'(4 * spacc_card_pkg::CounterStateSaturations):    count_part = states_q;
      ErrorIndex - CounterIndex:                          count_part = {12'd0, error_q};
      spacc_card_pkg::RegErrorPc[8:1] - CounterIndex:     count_part = {10'd0, pc_q};
      default:                                            count_part = 16'd0;
    endcase
  end

  logic used;                // GRU_RESET has z, r, n in pass A, n in pass B
  assign used = !reset_cell || (row_q == 2'd3) == pass_b_q;
  always_ff @(posedge clk_i) begin
    if (state_q == Begin) begin
      cycles_q <= 32'd1;
      issue_q  <= 32'd0;
      gate_q   <= 16'd0;
      states_q <= 16'd0;
    end else if (state_q != Idle && state_q != Counts && state_q != Final && state_q != Done) begin
      cycles_q <= cycles_q + 32'd1;
      if (state_q == Entry || state_q == Operand) issue_q <= issue_q + 32'd1;
      if (gate_cut || (state_q == Result && !row_results && used && !fits_z)) gate_q <= gate_q + 16'd1;
      states_q <= states_q + {14'd0, state_cuts} + {15'd0, state_q == Result && row_results && !(linear ? fits32 : fits_z)};
    end
  end

  // ------------------------------------------------------------ the machine
  logic        empty;          // nothing to do is no instruction
  logic [15:0] place;          // region pointer and offset
  assign place   = reg_q + (is_run ? x_q : offset_q);
  assign empty   = count_q == 16'd0 || (is_run && (offset_q == 16'd0 || base_q == 16'd0));
  assign row_end = lane_q == 2'd3 && left_q == 16'd1 && (h_part_q || linear || pass_b_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      case (state_q)
        Idle:   if (start) state_q <= Begin;
        Begin:  state_q <= Code;
        Code:   state_q <= Fetch;
        Fetch:  if (field_q == 6'd32) state_q <= Decode;
        Decode: begin
          state_q <= Pointer;
          if (opcode_q == spacc_card_pkg::OpEnd || opcode_q > spacc_card_pkg::OpStream || refused_q ||
              (empty && opcode_q != spacc_card_pkg::OpMark)) state_q <= Final;
        end
        Pointer:
          case (opcode_q)
            spacc_card_pkg::OpRun:        state_q <= OutPointer;
            spacc_card_pkg::OpMark:       state_q <= Counts;
            spacc_card_pkg::OpStream:     state_q <= Next;
            spacc_card_pkg::OpLoadState:  state_q <= StateRead;
            spacc_card_pkg::OpStoreState: state_q <= Keep;
            default:                      state_q <= Copy;
          endcase
        Copy:       state_q <= Paste;
        Paste:      state_q <= left_q == 16'd1 ? Next : Copy;
        StateRead:  state_q <= StateLow;
        StateLow:   state_q <= StateNext;
        StateNext:  state_q <= StateHigh;
        StateHigh:  state_q <= unit_end ? Next : StateRead;
        Keep:       state_q <= KeepLow;
        KeepLow:    state_q <= KeepHigh;
        KeepHigh:   state_q <= unit_end ? Next : Keep;
        Counts:     if (left_q[5:0] == 6'd63) state_q <= Next;
        OutPointer: state_q <= OutPlace;
        OutPlace:   state_q <= Step;
        Step:       state_q <= Row;
        Row:        state_q <= Entry;
        Entry:      state_q <= Operand;
        Operand:    state_q <= row_end ? Params : Entry;
        Params:     if (turns_q == 6'd4) state_q <= Multiply;
        Multiply:   if (turns_q == 6'd15) state_q <= Shift;
        Shift:      if (turns_q == 6'd0) state_q <= Result;
        Result:     state_q <= linear ? WriteY : row_results ? WriteH : row_q == 2'd3 ? Cells : Row;
        Cells:      if (cell_done) state_q <= WriteH;
        WriteH:     state_q <= WriteY;
        WriteY:     state_q <= linear ? WriteHigh : row_q == 2'd3 && unit_end && !pass_a ? StepEnd : Row;
        WriteHigh:  state_q <= row_q == 2'd3 && unit_end ? StepEnd : Row;
        StepEnd:    state_q <= offset_q == 16'd1 ? Next : Step;
        Next:       state_q <= Fetch;
        Final:      if (left_q[7:0] == LastIndex) state_q <= Done;
        default:    state_q <= Idle; // Done
      endcase
    end
  end

  // Sums. A product is in acc three cycles after its Operand; parameters come meanwhile.
  logic        zero_now_q;
  logic [5:0]  shift_q;
  logic signed [15:0] factor;
  assign factor = zero_now_q ? 16'sd0 : $signed(read);
  always_ff @(posedge clk_i) begin
    operand_here_q <= state_q == Operand;
    product_here_q <= operand_here_q;
    if (state_q == Operand) begin
      weight_q   <= $signed(read[7:0]);
      zero_now_q <= h_part_q && zero_q && first_step_q;
    end
    if (operand_here_q) product_q <= weight_q * factor;
    if (state_q == Row)
      acc_q <= 40'sd0;
    else if (product_here_q || (state_q == Params && turns_q == 6'd2))
      acc_q <= acc_q + (product_here_q ? 40'(product_q) : 40'($signed({read, low_q})));

    if (state_q == StateLow || (state_q == Params && (turns_q == 6'd1 || turns_q == 6'd3))) low_q <= read;
    if (state_q == Params && turns_q == 6'd3) high_q <= 42'sd0;
    if (state_q == Params && turns_q == 6'd4) shift_q <= read[5:0];
    if (state_q == Multiply || (state_q == Shift && turns_q != 6'd0)) begin
      high_q <= sum >>> 1;
      low_q  <= {sum[0], low_q[15:1]};
    end

    case (state_q)
      Params:   turns_q <= turns_q == 6'd4 ? 6'd0 : turns_q + 6'd1;
      Multiply: turns_q <= turns_q == 6'd15 ? shift_q - 6'd1 : turns_q + 6'd1;
      Shift:    if (turns_q != 6'd0) turns_q <= turns_q - 6'd1;
      default:  turns_q <= 6'd0;
    endcase

    cell_start_q <= rst_ni && state_q == Result && !row_results && row_q == 2'd3;
    if (state_q == Result) z_q <= {z, z_q[79:20]};
    if (cell_done)                                h_q <= h;
    else if (state_q == Result)                   h_q <= z[15:0];
  end

  // The instruction, half by half.
  always_ff @(posedge clk_i) begin
    field_q <= state_q == Fetch ? field_q + 6'd1 : 6'd0;
    if (state_q == Code || state_q == Next) refused_q <= 1'b0;
    if (state_q == StepEnd) offset_q <= offset_q - 16'd1;
    if (state_q == Fetch) begin
      case (field_q)
        6'd1: {act_h_q, act_g_q, region_q, opcode_q} <= read;
        6'd2: begin
          x_region_q <= read[1:0];
          if (is_run && (read[15:8] != 8'd1 || region_q > {1'b0, spacc_card_pkg::CellLstmp})) refused_q <= 1'b1;
          if (opcode_q == spacc_card_pkg::OpLoadWeights && act_g_q[0])                      refused_q <= 1'b1;
        end
        6'd3:  offset_q <= read;
        6'd5:  count_q  <= read;
        6'd6:  groups_b_q <= read;
        6'd7:  base_q   <= read;
        6'd8:  k_h_q    <= read;
        6'd9:  weight_base_q <= read[11:0];
        6'd11: param_base_q  <= read[UnitWidth-1:0];
        6'd13: state_base_q  <= read[UnitWidth-1:0];
        6'd17: h_words_q     <= read[11:0];
        6'd18: h_base_q      <= read[11:0];
        6'd21: x_stride_q    <= read;
        6'd25: y_stride_q    <= read;
        6'd27: if (is_run && read != 16'd0) refused_q <= 1'b1;
        6'd29: k_b_q <= read;
        6'd30: {half_q, zero_q} <= read[9:8];
        default: ;
      endcase
    end
  end

  // Places, counts.
  always_ff @(posedge clk_i) begin
    case (state_q)
      Begin: begin
        pc_q     <= 6'd0;
        stream_q <= 1'b0;
        error_q  <= spacc_card_pkg::ErrorNone;
      end
      Code: code_q <= reg_q[15:1];
      Fetch: begin
        if (field_q == 6'd19) x_q      <= read;
        if (field_q == 6'd23) y_base_q <= read;
      end
      Decode: begin
        if (opcode_q > spacc_card_pkg::OpStream) error_q <= spacc_card_pkg::ErrorBadOpcode;
        else if (opcode_q != spacc_card_pkg::OpEnd && (refused_q || (empty && opcode_q != spacc_card_pkg::OpMark)))
          error_q <= spacc_card_pkg::ErrorBadField;
        left_q <= {8'd0, ErrorIndex};  // of Final
      end
      Pointer: begin
        x_q      <= place;
        pass_b_q <= 1'b0;
        unit_q <= 16'd0;
        case (opcode_q)
          spacc_card_pkg::OpLoadWeights: begin
            entry_q <= WeightPlace + (base_q << 4);
            left_q  <= count_q << 4;
          end
          spacc_card_pkg::OpLoadParams: begin
            entry_q <= ParamPlace + (base_q << 4);
            left_q  <= count_q << 4;
          end
          spacc_card_pkg::OpLoadVector: begin
            entry_q <= HPlace + (base_q << 2);
            left_q  <= count_q << 2;
          end
          spacc_card_pkg::OpStream: begin
            weight_start_q <= {1'b0, place[15:1]};
            stream_q       <= 1'b1;
          end
          default: left_q <= 16'd0;
        endcase
      end
      Copy: x_q <= x_q + 16'd2;
      Paste: begin
        entry_q <= entry_q + 16'd1;
        left_q  <= left_q - 16'd1;
      end
      StateLow, KeepLow: x_q <= x_q + 16'd2;
      StateHigh, KeepHigh: begin
        x_q    <= x_q + 16'd2;
        unit_q <= unit_q + 16'd1;
      end
      Counts: begin
        x_q    <= x_q + 16'd2;
        left_q <= left_q + 16'd1;
      end
      OutPlace: begin
        y_base_q     <= reg_q + y_base_q;
        first_step_q <= 1'b1;
        h_read_q     <= half_q ? h_place1 : h_place0;
        h_write_q    <= half_q ? h_place0 : h_place1;
        if (!stream_q) weight_start_q <= WeightPlace + {weight_base_q, 4'd0};
      end
      Step: begin
        y_q     <= y_base_q[15:1];
        group_q <= weight_start_q;
        unit_q  <= 16'd0;
        row_q   <= 2'd0;
        pass_b_q <= 1'b0;
      end
      Row: begin
        entry_q  <= group_q + {12'd0, row_q, 2'd0};
        left_q   <= pass_b_q ? k_b_q : base_q;
        lane_q   <= 2'd0;
        h_part_q <= 1'b0;
      end
      Operand: begin
        lane_q  <= lane_q + 2'd1;
        entry_q <= entry_q + (lane_q == 2'd3 ? 16'd13 : 16'd1);
        if (lane_q == 2'd3) begin
          left_q <= left_q - 16'd1;
          if (left_q == 16'd1) begin
            h_part_q <= 1'b1;
            left_q   <= k_h_q;
          end
        end
      end
      Result: begin
        if (row_q == 2'd3)                   group_q <= entry_q - 16'd12;
        if (row_q != 2'd3 && !row_results)   row_q   <= row_q + 2'd1;
      end
      WriteY: begin
        if (!pass_a) y_q <= y_q + 15'd1;
        if (!linear) row_q <= row_q + 2'd1;
        if (!linear && row_q == 2'd3) begin
          unit_q <= pass_a && unit_end ? 16'd0 : unit_q + 16'd1;
          if (pass_a && unit_end) pass_b_q <= 1'b1;
        end
      end
      WriteHigh: begin
        y_q   <= y_q + 15'd1;
        row_q <= row_q + 2'd1;
        if (row_q == 2'd3) unit_q <= unit_q + 16'd1;
      end
      StepEnd: begin
        x_q          <= x_q + x_stride_q;
        y_base_q     <= y_base_q + y_stride_q;
        h_read_q     <= h_write_q;
        h_write_q    <= h_read_q;
        first_step_q <= 1'b0;
      end
      Next: begin
        code_q <= code_q + 15'd32;
        pc_q   <= pc_q + 6'd1;
        if (is_run) stream_q <= 1'b0;
      end
      Final: left_q <= left_q + 16'd1;
      default: ;
    endcase
  end

endmodule
