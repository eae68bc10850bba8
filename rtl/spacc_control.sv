/// The program controller: fetches the program, checks and executes its instructions one
/// after the other, and owns errors, watchdog and counters.
///
/// Loads move one 64-bit word of memory a cycle (states: one unit a cycle). A RUN goes to
/// spacc_run with every field checked; only its x and y addresses are checked there.
/// The first error ends the run: `abort_o` rises until both DMAs are idle, then done. When
/// the bus never answers, the watchdog ends the wait; `abort_o` stays, and the next run
/// begins when the bus has come to rest.
module spacc_control #(
  parameter  int unsigned Pes          = 16,
  parameter  int unsigned Lanes        = 16,
  parameter  int unsigned WeightBits   = 16,
  parameter  int unsigned IndexBits    = 8,
  parameter  int unsigned WeightWords  = 8192,
  parameter  int unsigned VectorWords  = 512,
  parameter  int unsigned Units        = 2048,
  parameter  int unsigned Instructions = 64,
  localparam int unsigned WordWidth    = $clog2(WeightWords),
  localparam int unsigned VectorWidth  = $clog2(VectorWords),
  localparam int unsigned UnitWidth    = $clog2(Units),
  localparam int unsigned QuadWidth    = Lanes > 4 ? $clog2(Lanes / 4) : 1,
  localparam int unsigned CounterBits  = 64 * spacc_card_pkg::Counters
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,        // synchronous, active low
  // registers
  input  logic                    start_i,
  output logic                    done_o,
  input  logic [63:0]             program_ptr_i,
  input  logic [63:0]             weights_ptr_i,
  input  logic [63:0]             input_ptr_i,
  input  logic [63:0]             output_ptr_i,
  input  logic [31:0]             program_bytes_i,
  input  logic [31:0]             weights_bytes_i,
  input  logic [31:0]             input_bytes_i,
  input  logic [31:0]             output_bytes_i,
  input  logic [31:0]             watchdog_cycles_i,
  output logic [31:0]             error_code_o,
  output logic [31:0]             error_pc_o,
  output logic [63:0]             error_address_o,
  output logic [CounterBits-1:0]  counters_o,
  // bus
  output logic                    read_cmd_valid_o,
  input  logic                    read_cmd_ready_i,
  output logic [63:0]             read_cmd_address_o,
  output logic [31:0]             read_cmd_beats_o,
  input  logic                    read_valid_i,
  output logic                    read_ready_o,
  input  logic [63:0]             read_data_i,
  input  logic                    read_last_i,
  input  logic                    read_idle_i,
  input  logic                    read_error_i,
  input  logic [63:0]             read_error_address_i,
  input  logic                    read_beat_i,
  output logic                    write_cmd_valid_o,
  input  logic                    write_cmd_ready_i,
  output logic [63:0]             write_cmd_address_o,
  output logic [31:0]             write_cmd_beats_o,
  output logic                    write_valid_o,
  input  logic                    write_ready_i,
  output logic [63:0]             write_data_o,
  input  logic                    write_idle_i,
  input  logic                    write_error_i,
  input  logic [63:0]             write_error_address_i,
  input  logic                    write_beat_i,
  output logic                    abort_o,
  // memories
  output logic                    ww_valid_o,
  output logic [15:0]             ww_pe_o,
  output logic [WordWidth-1:0]    ww_word_o,
  output logic [QuadWidth-1:0]    ww_quad_o,
  output logic [4*WeightBits-1:0] ww_weight_o,
  output logic [4*IndexBits-1:0]  ww_index_o,
  output logic [3:0]              pw_valid_o,
  output logic [UnitWidth-1:0]    pw_unit_o,
  output logic [53:0]             pw_data_o,
  output logic                    sw_valid_o,
  output logic [UnitWidth-1:0]    sw_unit_o,
  output logic [23:0]             sw_data_o,
  output logic                    sr_valid_o,
  output logic [UnitWidth-1:0]    sr_unit_o,
  input  logic [23:0]             sr_data_i,
  output logic                    fill_start_o,  // vector words from fill_base_o on follow
  output logic [VectorWidth-1:0]  fill_base_o,
  output logic                    fill_o,        // read words go to the vector memory
  input  logic                    fill_take_i,   // one goes
  // RUN
  output logic                    flush_o,       // forget what is under way
  output logic [511:0]            instruction_o,
  output logic [UnitWidth:0]      run_units_o,
  output logic                    run_start_o,
  output logic                    running_o,     // RUN owns the bus
  input  logic                    run_done_i,
  output logic [63:0]             x_ptr_o,
  output logic [31:0]             x_bytes_o,
  output logic [63:0]             y_ptr_o,
  output logic [31:0]             y_bytes_o,
  input  logic                    run_bad_address_i,
  input  logic [63:0]             run_address_i,
  input  logic [2:0]              run_cause_i,
  // events of this cycle
  input  logic [2:0]              gate_cuts_i,
  input  logic [2:0]              state_cuts_i
);

  localparam int unsigned PcWidth = $clog2(Instructions) + 1;
  localparam int unsigned Quads   = Pes / 4;
  localparam int unsigned MarkBeats = spacc_card_pkg::Counters;

  typedef enum logic [4:0] {
    Idle, Settle, Program, FetchCommand, Fetch, FetchEnd, ReadCode, Decode, Check1, Check2, Check3,
    LoadCommand, Load, LoadEnd, StoreCommand, Store, StoreEnd, Run, Abort, Finish
  } state_e;

  state_e       state_q;
  logic [511:0] code_q;
  logic [PcWidth-1:0] pc_q, codes_q;
  logic [63:0]  address_q;     // of the instruction's memory
  logic [31:0]  beats_q;

  // ------------------------------------------------------------ instruction memory
  logic [63:0]        code_mem [0:8*Instructions-1];
  logic [63:0]        code_read_q;
  logic [PcWidth+1:0] code_write_q;   // 64-bit words
  logic [3:0]         code_step_q;
  logic               code_take;

  assign code_take = state_q == Fetch && read_valid_i;
  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (state_q == ReadCode) code_read_q <= code_mem[{pc_q[PcWidth-2:0], code_step_q[2:0]}];
    if (code_take)           code_mem[code_write_q] = read_data_i;
  end
  // Words of an instruction come one behind the memory's read. Blocking, so that Verilator
  // keeps no copy of 512 bits: nobody looks at the instruction while it is read.
  always_ff @(posedge clk_i) begin
    if (state_q == ReadCode && code_step_q != 4'd0) code_q = {code_read_q, code_q[511:64]};
  end
  /* verilator lint_on BLKSEQ */

  // ------------------------------------------------------------ fields
  logic [7:0]  opcode;
  logic [3:0]  region, x_region, y_region;
  logic        wide_weights;
  logic [31:0] offset, count, base;
  logic [1:0]  act_g, act_h;
  logic [3:0]  cell_type;
  logic [31:0] steps, groups, weight_base, param_base, state_base;
  logic [15:0] k_x, k_h, x_words, x_base, h_words, h_base;
  logic        is_load, is_store, is_run, linear, reset_cell;

  // Loads and stores keep region, offset, count and base in the same places.
  assign opcode       = code_q[7:0];
  assign region       = code_q[spacc_card_pkg::FLoadWeightsRegion +: 4];
  assign wide_weights = code_q[spacc_card_pkg::FLoadWeightsFormat +: 4] == 4'd1;
  assign offset       = code_q[spacc_card_pkg::FLoadWeightsOffset +: 32];
  assign count        = code_q[spacc_card_pkg::FLoadWeightsWords +: 32];
  assign base         = code_q[spacc_card_pkg::FLoadWeightsWordBase +: 32];
  assign cell_type    = code_q[spacc_card_pkg::FRunCell +: 4];
  assign act_g        = code_q[spacc_card_pkg::FRunActG +: 2];
  assign act_h        = code_q[spacc_card_pkg::FRunActH +: 2];
  assign x_region     = code_q[spacc_card_pkg::FRunXRegion +: 4];
  assign y_region     = code_q[spacc_card_pkg::FRunYRegion +: 4];
  assign steps        = code_q[spacc_card_pkg::FRunSteps +: 32];
  assign groups       = code_q[spacc_card_pkg::FRunGroups +: 32];
  assign k_x          = code_q[spacc_card_pkg::FRunKX +: 16];
  assign k_h          = code_q[spacc_card_pkg::FRunKH +: 16];
  assign weight_base  = code_q[spacc_card_pkg::FRunWeightBase +: 32];
  assign param_base   = code_q[spacc_card_pkg::FRunParamBase +: 32];
  assign state_base   = code_q[spacc_card_pkg::FRunStateBase +: 32];
  assign x_words      = code_q[spacc_card_pkg::FRunXWords +: 16];
  assign x_base       = code_q[spacc_card_pkg::FRunXBase +: 16];
  assign h_words      = code_q[spacc_card_pkg::FRunHWords +: 16];
  assign h_base       = code_q[spacc_card_pkg::FRunHBase +: 16];

  assign is_load  = opcode == spacc_card_pkg::OpLoadWeights || opcode == spacc_card_pkg::OpLoadParams ||
                    opcode == spacc_card_pkg::OpLoadVector || opcode == spacc_card_pkg::OpLoadState;
  assign is_store = opcode == spacc_card_pkg::OpStoreState || opcode == spacc_card_pkg::OpMark;
  assign is_run   = opcode == spacc_card_pkg::OpRun;
  assign linear     = cell_type == {2'd0, spacc_card_pkg::CellLinear};
  assign reset_cell = cell_type == {2'd0, spacc_card_pkg::CellGruReset};
  assign instruction_o = code_q;

  function automatic logic [95:0] region_of(input logic [3:0] number);
    case (number) // {bytes, pointer}
      4'd1:    region_of = {weights_bytes_i, weights_ptr_i};
      4'd2:    region_of = {input_bytes_i, input_ptr_i};
      default: region_of = {output_bytes_i, output_ptr_i};
    endcase
  endfunction

  logic [95:0] region_now;
  assign region_now = region_of(region);
  always_ff @(posedge clk_i) begin
    if (state_q == Check1) begin
      {x_bytes_o, x_ptr_o} <= region_of(x_region);
      {y_bytes_o, y_ptr_o} <= region_of(y_region);
    end
  end

  // ------------------------------------------------------------ checks
  // Check1: fields against memories, each small before anything is multiplied.
  // Check2: products. Check3: what the products must fit.
  logic        range_bad, run_bad1, run_bad3, memory_bad_q, bad_q;
  logic [31:0] memory_size;      // of the memory that a load or store goes to
  logic [31:0] unit_count_q;     // units of a RUN
  logic [47:0] weight_need_q;
  logic [31:0] bytes_q;

  always_comb begin
    case (opcode)
      spacc_card_pkg::OpLoadWeights: memory_size = 32'(WeightWords);
      spacc_card_pkg::OpLoadVector:  memory_size = 32'(VectorWords);
      default:                       memory_size = 32'(Units);
    endcase
    range_bad = region == 4'd0 || region > 4'd3;
    if (opcode == spacc_card_pkg::OpLoadWeights)
      range_bad |= code_q[spacc_card_pkg::FLoadWeightsFormat +: 4] > (WeightBits == 16 ? 4'd1 : 4'd0);
    if (opcode == spacc_card_pkg::OpLoadState || opcode == spacc_card_pkg::OpStoreState)
      range_bad |= count[0];
    if (opcode != spacc_card_pkg::OpMark)
      range_bad |= count == 32'd0 || count > memory_size || base > memory_size ||
                   count + base > memory_size;
    if (is_store) range_bad |= region != 4'd3;

    run_bad1 = cell_type > 4'd3 || act_g == 2'd3 || act_h == 2'd3 ||
               x_region == 4'd0 || x_region > 4'd3 || y_region != 4'd3 ||
               steps == 32'd0 || groups == 32'd0 || groups > 32'(Units / Quads) ||
               k_x == 16'd0 || (linear ? k_h != 16'd0 : k_h == 16'd0) || x_words == 16'd0 ||
               32'(x_words) * 2 + 32'(x_base) > 32'(VectorWords) ||
               weight_base > 32'(WeightWords) || param_base > 32'(Units) || state_base > 32'(Units);
    if (!linear)
      run_bad1 |= h_words == 16'd0 ||
                  32'(h_words) * (reset_cell ? 32'd3 : 32'd2) + 32'(h_base) > 32'(VectorWords);

    run_bad3 = 48'(weight_base) + weight_need_q > 48'(WeightWords) ||
               param_base + (reset_cell ? unit_count_q << 1 : unit_count_q) > 32'(Units);
    if (!linear)
      run_bad3 |= state_base + unit_count_q > 32'(Units) || 32'(h_words) * Lanes < unit_count_q;
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Check1) memory_bad_q <= is_run ? run_bad1 : range_bad;
    if (state_q == Check2) begin
      unit_count_q  <= {16'd0, groups[15:0]} * Quads;
      weight_need_q <= {32'd0, groups[15:0]} * ({32'd0, k_x} + (reset_cell ? {31'd0, k_h, 1'b0} : {32'd0, k_h}));
      case (opcode)
        spacc_card_pkg::OpLoadWeights: bytes_q <= wide_weights ? count * (Pes * Lanes * 4) : count * (Pes * Lanes * 2);
        spacc_card_pkg::OpLoadParams:  bytes_q <= count << 5;
        spacc_card_pkg::OpLoadVector:  bytes_q <= count * (Lanes * 2);
        spacc_card_pkg::OpMark:        bytes_q <= 32'(8 * MarkBeats);
        default:                       bytes_q <= count << 2;
      endcase
      address_q <= region_now[63:0] + {32'd0, offset};
    end
  end
  assign bad_q       = memory_bad_q || (is_run && run_bad3);
  assign run_units_o = unit_count_q[UnitWidth:0];

  logic out_of_region;
  assign out_of_region = {1'b0, offset} + {1'b0, bytes_q} > {1'b0, region_now[95:64]} ||
                         address_q[2:0] != 3'd0;

  // ------------------------------------------------------------ errors and watchdog
  logic        failed;      // this cycle finds an error
  logic [3:0]  fail_code;
  logic [63:0] fail_address;
  logic        busy, progress, expired, bus_idle;
  logic [31:0] quiet_q;
  logic [2:0]  abort_wait_q;

  assign busy     = state_q != Idle;
  assign bus_idle = read_idle_i && write_idle_i;
  assign progress = read_beat_i || write_beat_i ||
                    (state_q == Run && run_cause_i == 3'(spacc_card_pkg::CounterIssue));
  assign expired  = watchdog_cycles_i != 32'd0 && quiet_q >= watchdog_cycles_i;

  always_comb begin
    failed       = 1'b0;
    fail_code    = spacc_card_pkg::ErrorNone;
    fail_address = 64'd0;
    case (state_q)
      Program: begin
        if (program_bytes_i == 32'd0 || program_bytes_i > 32'(64 * Instructions) ||
            program_bytes_i[5:0] != 6'd0) begin
          failed    = 1'b1;
          fail_code = spacc_card_pkg::ErrorNoEnd;
        end else if (program_ptr_i[5:0] != 6'd0) begin
          failed       = 1'b1;
          fail_code    = spacc_card_pkg::ErrorBadAddress;
          fail_address = program_ptr_i;
        end
      end
      ReadCode: if (pc_q == codes_q) begin
        failed    = 1'b1;
        fail_code = spacc_card_pkg::ErrorNoEnd;
      end
      Decode: if (opcode > spacc_card_pkg::OpMark) begin
        failed    = 1'b1;
        fail_code = spacc_card_pkg::ErrorBadOpcode;
      end
      Check3: begin
        if (bad_q) begin
          failed    = 1'b1;
          fail_code = spacc_card_pkg::ErrorBadField;
        end else if (!is_run && out_of_region) begin
          failed       = 1'b1;
          fail_code    = spacc_card_pkg::ErrorBadAddress;
          fail_address = address_q;
        end
      end
      Run: if (run_bad_address_i) begin
        failed       = 1'b1;
        fail_code    = spacc_card_pkg::ErrorBadAddress;
        fail_address = run_address_i;
      end
      default: ;
    endcase
    if (expired) begin
      failed    = 1'b1;
      fail_code = spacc_card_pkg::ErrorWatchdog;
    end
    if (read_error_i) begin
      failed       = 1'b1;
      fail_code    = spacc_card_pkg::ErrorReadBus;
      fail_address = read_error_address_i;
    end
    if (write_error_i) begin
      failed       = 1'b1;
      fail_code    = spacc_card_pkg::ErrorWriteBus;
      fail_address = write_error_address_i;
    end
    if (!busy || state_q == Abort || state_q == Finish) failed = 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (state_q == Idle && start_i)) begin
      error_code_o    <= 32'd0;
      error_pc_o      <= 32'd0;
      error_address_o <= 64'd0;
    end else if (failed) begin
      error_code_o    <= {28'd0, fail_code};
      error_pc_o      <= 32'(pc_q);
      error_address_o <= fail_address;
    end
    if (!busy || progress || failed) quiet_q <= 32'd0;
    else                             quiet_q <= quiet_q + 32'd1;
    if (!rst_ni)                                       abort_o <= 1'b0;
    else if (failed)                                   abort_o <= 1'b1;
    else if (bus_idle && abort_wait_q == 3'd0)         abort_o <= 1'b0;
    if (failed)                   abort_wait_q <= 3'd7;
    else if (abort_wait_q != '0)  abort_wait_q <= abort_wait_q - 3'd1;
  end
  assign flush_o = abort_o;

  // ------------------------------------------------------------ loads and stores
  logic        load_take, load_last_q;
  logic [31:0] store_left_q;   // beats to give
  logic        half_q;         // second half of a word (states, wide weights)
  logic [31:0] unit_q;         // unit or word
  logic [1:0]  row_q;
  logic [QuadWidth-1:0]   quad_q;
  logic [15:0] pe_q;
  logic [4*WeightBits-1:0] pair_weight_q, load_weight;
  logic [4*IndexBits-1:0]  pair_index_q, load_index;
  logic [CounterBits-1:0] mark_q;
  logic [3:0]  mark_step_q;
  logic [1:0]  fetch_q;        // state reads under way: 1 address given, 2 data there
  logic [23:0] low_state_q;
  logic        pair_done, store_ready_q;

  assign load_last_q = read_last_i;
  // States take a cycle for each half of a word; everything else takes a word a cycle.
  always_comb begin
    load_take = 1'b0;
    if (state_q == Load && read_valid_i) begin
      case (opcode)
        spacc_card_pkg::OpLoadState:  load_take = half_q;
        spacc_card_pkg::OpLoadVector: load_take = fill_take_i;
        default:                      load_take = 1'b1;
      endcase
    end
  end
  assign fill_start_o = state_q == LoadCommand && opcode == spacc_card_pkg::OpLoadVector;
  assign fill_base_o  = base[VectorWidth-1:0];
  assign fill_o       = state_q == Load && opcode == spacc_card_pkg::OpLoadVector;
  assign read_ready_o = state_q == Fetch || load_take;

  // Entries of four lanes: one word of format 0, two of format 1.
  for (genvar e = 0; e < 4; e++) begin : gen_entry
    if (WeightBits == 16) begin : gen_wide
      always_comb begin
        load_weight[16*e +: 16] = {{8{read_data_i[16*e+7]}}, read_data_i[16*e +: 8]};
        load_index[IndexBits*e +: IndexBits] = read_data_i[16*e+8 +: IndexBits];
        if (wide_weights) begin
          load_weight[16*e +: 16] = e < 2 ? pair_weight_q[16*e +: 16] : read_data_i[32*(e%2) +: 16];
          load_index[IndexBits*e +: IndexBits] = e < 2 ? pair_index_q[IndexBits*e +: IndexBits]
                                                       : read_data_i[32*(e%2)+16 +: IndexBits];
        end
      end
    end else begin : gen_narrow
      assign load_weight[WeightBits*e +: WeightBits] = read_data_i[16*e +: WeightBits];
      assign load_index[IndexBits*e +: IndexBits]    = read_data_i[16*e+8 +: IndexBits];
    end
  end
  always_ff @(posedge clk_i) begin
    if (load_take && wide_weights && !half_q) begin
      pair_weight_q <= {2{read_data_i[32 +: WeightBits], read_data_i[0 +: WeightBits]}};
      pair_index_q  <= {2{read_data_i[48 +: IndexBits], read_data_i[16 +: IndexBits]}};
    end
  end

  if (WeightBits != 16) begin : gen_no_pair
    logic unused_pair; // format 1 is refused
    assign unused_pair = ^{pair_weight_q, pair_index_q};
  end

  logic weight_take, weight_write;
  assign weight_take  = load_take && opcode == spacc_card_pkg::OpLoadWeights;
  assign weight_write = weight_take && (!wide_weights || half_q);

  always_ff @(posedge clk_i) begin
    ww_valid_o <= rst_ni && weight_write;
    pw_valid_o <= 4'd0;
    sw_valid_o <= 1'b0;
    if (weight_write) begin
      ww_pe_o     <= pe_q;
      ww_word_o   <= unit_q[WordWidth-1:0];
      ww_quad_o   <= quad_q;
      ww_weight_o <= load_weight;
      ww_index_o  <= load_index;
    end
    if (rst_ni && load_take && opcode == spacc_card_pkg::OpLoadParams) begin
      pw_valid_o <= 4'd1 << row_q;
      pw_unit_o  <= unit_q[UnitWidth-1:0];
      pw_data_o  <= read_data_i[53:0];
    end
    if (rst_ni && state_q == Load && read_valid_i && opcode == spacc_card_pkg::OpLoadState) begin
      sw_valid_o <= 1'b1;
      sw_unit_o  <= unit_q[UnitWidth-1:0];
      sw_data_o  <= half_q ? read_data_i[55:32] : read_data_i[23:0];
    end
  end

  // Position of the next word in its memory.
  always_ff @(posedge clk_i) begin
    if (state_q == Check1) begin
      unit_q  <= base;
      row_q   <= 2'd0;
      quad_q  <= '0;
      pe_q    <= 16'd0;
      half_q  <= 1'b0;
      fetch_q <= 2'd0;
      store_ready_q <= 1'b0;
    end else if (weight_take && wide_weights && !half_q) begin
      half_q <= 1'b1;
    end else if (weight_take) begin
      half_q <= 1'b0;
      quad_q <= quad_q == QuadWidth'(Lanes / 4 - 1) ? '0 : quad_q + 1'b1;
      if (quad_q == QuadWidth'(Lanes / 4 - 1)) begin
        pe_q <= pe_q == 16'(Pes - 1) ? 16'd0 : pe_q + 16'd1;
        if (pe_q == 16'(Pes - 1)) unit_q <= unit_q + 32'd1;
      end
    end else if (load_take && opcode == spacc_card_pkg::OpLoadParams) begin
      row_q <= row_q + 2'd1;
      if (row_q == 2'd3) unit_q <= unit_q + 32'd1;
    end else if (state_q == Load && read_valid_i && opcode == spacc_card_pkg::OpLoadState) begin
      half_q <= !half_q;
      unit_q <= unit_q + 32'd1;
    end else if (state_q == Store && opcode == spacc_card_pkg::OpStoreState) begin
      // Two reads make a word: give an address, see its data in the next cycle.
      if (sr_valid_o) begin
        fetch_q <= 2'd1;
        unit_q  <= unit_q + 32'd1;
      end else if (fetch_q == 2'd1) begin
        fetch_q <= 2'd0;
        half_q  <= !half_q;
        if (!half_q) low_state_q <= sr_data_i;
        else         store_ready_q <= 1'b1;
      end else if (pair_done) begin
        store_ready_q <= 1'b0;
      end
    end
  end
  assign sr_valid_o = state_q == Store && opcode == spacc_card_pkg::OpStoreState &&
                      fetch_q == 2'd0 && !store_ready_q;
  assign sr_unit_o  = unit_q[UnitWidth-1:0];

  logic mark;
  assign mark          = opcode == spacc_card_pkg::OpMark;
  assign write_valid_o = state_q == Store && (mark || store_ready_q);
  assign write_data_o  = mark ? mark_q[64*mark_step_q +: 64]
                              : {{8{sr_data_i[23]}}, sr_data_i, {8{low_state_q[23]}}, low_state_q};
  assign pair_done     = write_valid_o && write_ready_i;

  always_ff @(posedge clk_i) begin
    if (state_q == StoreCommand) mark_q <= counters_o;
    if (state_q == StoreCommand) mark_step_q <= 4'd0;
    else if (pair_done)          mark_step_q <= mark_step_q + 4'd1;
    if (state_q == StoreCommand) store_left_q <= beats_q;
    else if (pair_done)          store_left_q <= store_left_q - 32'd1;
  end

  assign beats_q = state_q == FetchCommand ? program_bytes_i >> 3 : bytes_q >> 3;
  assign read_cmd_valid_o    = state_q == FetchCommand || state_q == LoadCommand;
  assign read_cmd_address_o  = state_q == FetchCommand ? program_ptr_i : address_q;
  assign read_cmd_beats_o    = beats_q;
  assign write_cmd_valid_o   = state_q == StoreCommand;
  assign write_cmd_address_o = address_q;
  assign write_cmd_beats_o   = beats_q;

  // ------------------------------------------------------------ the state machine
  assign run_start_o = state_q == Check3 && is_run && !failed;
  assign running_o   = state_q == Run;
  assign done_o      = state_q == Finish;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else if (failed) begin
      state_q <= Abort;
    end else begin
      case (state_q)
        Idle:         if (start_i) state_q <= Settle;
        // A bus that an aborted run has left busy comes to rest first.
        Settle:       if (bus_idle && !abort_o) state_q <= Program;
        Program:      state_q <= FetchCommand;
        FetchCommand: if (read_cmd_ready_i) state_q <= Fetch;
        Fetch:        if (read_valid_i && read_last_i) state_q <= FetchEnd;
        FetchEnd:     if (read_idle_i) state_q <= ReadCode;
        ReadCode:     if (code_step_q == 4'd8) state_q <= Decode;
        Decode:       state_q <= opcode == spacc_card_pkg::OpEnd ? Finish : Check1;
        Check1:       state_q <= Check2;
        Check2:       state_q <= Check3;
        Check3:       state_q <= is_run ? Run : is_load ? LoadCommand : StoreCommand;
        LoadCommand:  if (read_cmd_ready_i) state_q <= Load;
        Load:         if (load_take && load_last_q) state_q <= LoadEnd;
        LoadEnd:      if (read_idle_i) state_q <= ReadCode;
        StoreCommand: if (write_cmd_ready_i) state_q <= Store;
        Store:        if (pair_done && store_left_q == 32'd1) state_q <= StoreEnd;
        StoreEnd:     if (write_idle_i) state_q <= ReadCode;
        Run:          if (run_done_i) state_q <= ReadCode;
        Abort:        if (!abort_o || expired) state_q <= Finish;
        default:      state_q <= Idle; // Finish
      endcase
    end

    if (state_q == ReadCode && !failed) code_step_q <= code_step_q + 4'd1;
    else                                code_step_q <= 4'd0;
    if (state_q == Program) begin
      pc_q         <= '0;
      code_write_q <= '0;
      codes_q      <= program_bytes_i[6 +: PcWidth];
    end
    if (code_take) code_write_q <= code_write_q + 1'b1;
    if (state_q == Idle) pc_q <= '0;
    if (state_q == LoadEnd || state_q == StoreEnd || state_q == Run)
      if ((state_q == LoadEnd && read_idle_i) || (state_q == StoreEnd && write_idle_i) ||
          (state_q == Run && run_done_i)) pc_q <= pc_q + 1'b1;
  end

  // ------------------------------------------------------------ counters
  logic [2:0] cause;
  always_comb begin
    case (state_q)
      Run:                                cause = run_cause_i;
      LoadCommand, Load, LoadEnd:         cause = 3'(spacc_card_pkg::CounterLoad);
      StoreCommand, Store, StoreEnd:      cause = mark ? 3'(spacc_card_pkg::CounterControl)
                                                       : 3'(spacc_card_pkg::CounterLoad);
      default:                            cause = 3'(spacc_card_pkg::CounterControl);
    endcase
  end

  for (genvar c = 0; c < spacc_card_pkg::Counters; c++) begin : gen_counter
    logic [63:0] count_q;
    logic        move;
    logic [3:0]  by;
    if (c == spacc_card_pkg::CounterCycles) begin : gen_cycles
      assign move = busy;
      assign by   = 4'd1;
    end else if (c == spacc_card_pkg::CounterGateSaturations) begin : gen_gate
      assign move = gate_cuts_i != 3'd0;
      assign by   = {1'b0, gate_cuts_i};
    end else if (c == spacc_card_pkg::CounterStateSaturations) begin : gen_state
      assign move = state_cuts_i != 3'd0;
      assign by   = {1'b0, state_cuts_i};
    end else if (c == spacc_card_pkg::CounterBytesRead) begin : gen_read
      assign move = read_beat_i && busy;
      assign by   = 4'd8;
    end else if (c == spacc_card_pkg::CounterBytesWritten) begin : gen_written
      assign move = write_beat_i && busy;
      assign by   = 4'd8;
    end else begin : gen_cause
      assign move = busy && cause == 3'(c);
      assign by   = 4'd1;
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (state_q == Idle && start_i)) count_q <= 64'd0;
      else if (move)                               count_q <= count_q + {60'd0, by};
    end
    assign counters_o[64*c +: 64] = count_q;
  end

`ifndef SYNTHESIS
  // Every busy cycle has one cause.
  always_ff @(posedge clk_i) begin
    if (rst_ni && state_q == Finish) begin
      CausesAddUp: assert (gen_counter[0].count_q == gen_counter[1].count_q + gen_counter[2].count_q
          + gen_counter[3].count_q + gen_counter[4].count_q + gen_counter[5].count_q
          + gen_counter[6].count_q + gen_counter[7].count_q)
        else $error("cycle causes do not add up");
    end
  end
`endif

endmodule
