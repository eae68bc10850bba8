/// The program controller: fetches the program, checks and executes its instructions one
/// after the other, and owns errors, watchdog and counters.
///
/// Loads move a beat (weights, vectors), a 64-bit word (program, parameters) or a unit
/// (states) a cycle, stores a unit. A RUN goes to spacc_run with every field checked; only its
/// x and y addresses are checked there. STREAM is kept for the next RUN.
/// The first error ends the run: `abort_o` rises until both DMAs are idle, then done. When
/// the bus never answers, the watchdog ends the wait; `abort_o` stays, and the next run
/// begins when the bus has come to rest.
module spacc_control #(
  parameter  int unsigned Pes          = 16,
  parameter  int unsigned Lanes        = 16,
  parameter  int unsigned Cells        = 1,
  parameter  int unsigned WeightBits   = 16,
  parameter  int unsigned AxiBits      = 64,
  parameter  int unsigned WeightWords  = 8192,
  parameter  int unsigned XWords       = 512,
  parameter  int unsigned HWords       = 512,
  parameter  int unsigned Units        = 2048,
  parameter  int unsigned PsumWords    = 64,
  parameter  int unsigned Instructions = 64,
  parameter  int unsigned ChunkWords   = 4,    // of streamed weights
  parameter  int unsigned Queue        = 0,    // rows that a PE queues; 0: no masked RUNs
  localparam int unsigned WordWidth    = $clog2(WeightWords),
  localparam int unsigned XWidth       = $clog2(XWords),
  localparam int unsigned HWidth       = $clog2(HWords),
  localparam int unsigned BaseWidth    = XWidth > HWidth ? XWidth : HWidth,
  localparam int unsigned UnitWidth    = $clog2(Units),
  localparam int unsigned ResultWidth  = $clog2(Units / Cells) + 1,
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
  input  logic [AxiBits-1:0]      read_data_i,
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
  output logic [AxiBits-1:0]      write_data_o,
  input  logic                    write_idle_i,
  input  logic                    write_error_i,
  input  logic [63:0]             write_error_address_i,
  input  logic                    write_beat_i,
  output logic                    abort_o,
  // memories
  output logic                    weight_start_o, // beats of word weight_base_o on follow
  output logic [WordWidth-1:0]    weight_base_o,
  output logic                    weight_wide_o,
  output logic                    weight_beat_o,
  output logic [3:0]              pw_valid_o,
  output logic [UnitWidth-1:0]    pw_unit_o,
  output logic [53:0]             pw_data_o,
  output logic                    sw_valid_o,
  output logic [UnitWidth-1:0]    sw_unit_o,
  output logic [23:0]             sw_data_o,
  output logic                    sr_valid_o,
  output logic [UnitWidth-1:0]    sr_unit_o,
  input  logic [23:0]             sr_data_i,
  output logic                    fill_start_o,  // beats of word fill_base_o of the h memory follow
  output logic [HWidth-1:0]       fill_base_o,
  output logic                    fill_beat_o,
  // RUN
  output logic                    flush_o,       // forget what is under way
  output logic [511:0]            instruction_o,
  output logic [ResultWidth-1:0]  run_results_o, // groups * Pes / (4 * Cells)
  output logic                    run_start_o,
  output logic                    running_o,     // RUN owns the bus
  input  logic                    run_done_i,
  output logic [BaseWidth-1:0]    h_base1_o,     // second half
  output logic [BaseWidth-1:0]    m_base_o,
  output logic [XWidth:0]         slot_words_o,  // batch * x_words
  output logic [31:0]             x_bytes_o,     // of a step
  output logic [31:0]             y_beats_o,     // of a step
  output logic [63:0]             x_ptr_o,
  output logic [31:0]             x_region_bytes_o,
  output logic [63:0]             y_ptr_o,
  output logic [31:0]             y_region_bytes_o,
  output logic                    stream_o,      // weights of this RUN are streamed
  output logic                    stream_wide_o,
  output logic [31:0]             stream_words_o,
  output logic [63:0]             stream_address_o,
  output logic [WordWidth-1:0]    stream_base_o,
  output logic [WordWidth:0]      stream_ring_words_o,
  output logic [WordWidth-1:0]    stream_ring_last_o,
  input  logic                    run_bad_address_i,
  input  logic [63:0]             run_address_i,
  input  logic [3:0]              run_cause_i,
  output logic                    masked_o,      // this RUN takes masks
  // events of this cycle
  input  logic                    dealt_i,       // a group of rows was dealt
  input  logic                    pop_i,         // a group was begun
  input  logic [7:0]              skipped_i,     // rows not computed
  input  logic [7:0]              gate_cuts_i,
  input  logic [7:0]              state_cuts_i
);

  localparam int unsigned PcWidth = $clog2(Instructions) + 1;
  localparam int unsigned Quads   = Pes / 4;
  localparam int unsigned BeatBytes  = AxiBits / 8;
  localparam int unsigned BeatShift  = $clog2(BeatBytes);
  localparam int unsigned BeatWords  = AxiBits / 64;
  localparam int unsigned BeatPieces = AxiBits / 32;
  localparam int unsigned SelWidth   = BeatWords > 1 ? $clog2(BeatWords) : 1;
  localparam int unsigned PieceWidth = $clog2(BeatPieces);
  localparam int unsigned MarkBytes  = 128;
  localparam int unsigned WordBytes  = Pes * Lanes * 2;      // format 0
  localparam logic        Batches    = Pes / 4 * 16 == AxiBits;
  localparam int unsigned MaskParts  = AxiBits > Pes ? AxiBits / Pes : 1;   // groups of a beat of a mask
  localparam int unsigned YGroups    = (1 << 30) / Pes - 1;                 // too many for a 32-bit address
  localparam int unsigned YShift     = $clog2(Pes * 32 / AxiBits);          // beats of y of a group

  typedef enum logic [4:0] {
    Idle, Settle, Program, FetchCommand, Fetch, FetchEnd, ReadCode, Decode, Check1, Check2, Check3, Ready,
    LoadCommand, Load, LoadEnd, StoreCommand, Store, StoreEnd, Keep, Run, Abort, Finish
  } state_e;

  state_e       state_q;
  logic [511:0] code_q;
  logic [PcWidth-1:0] pc_q, codes_q;
  logic [63:0]  address_q;     // of the instruction's memory

  // ------------------------------------------------------------ 64-bit words of a beat
  logic [SelWidth-1:0] sel_q;
  logic [63:0]         word;
  logic                word_take, word_last, sel_end;

  assign sel_end   = sel_q == SelWidth'(BeatWords - 1);
  assign word      = read_data_i[64*sel_q +: 64];
  assign word_last = read_last_i && sel_end;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || read_cmd_valid_o) sel_q <= '0;
    else if (word_take)              sel_q <= sel_end ? '0 : sel_q + 1'b1;
  end

  // ------------------------------------------------------------ instruction memory
  logic [63:0]        code_mem [0:8*Instructions-1];
  logic [63:0]        code_read_q;
  logic [PcWidth+1:0] code_write_q;   // 64-bit words
  logic [3:0]         code_step_q;
  logic               code_take;

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (state_q == ReadCode) code_read_q <= code_mem[{pc_q[PcWidth-2:0], code_step_q[2:0]}];
    if (code_take)           code_mem[code_write_q] = word;
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
  logic [31:0] steps, weight_base, param_base, state_base, ring_words;
  logic [15:0] groups, groups_b, k_x, k_h, k_b, x_words, m_words, h_words, h_base, prologue, prologue_b;
  logic [7:0]  batch, x_slots;
  logic        is_load, is_store, is_run, is_stream, linear, reset_cell, lstmp, two_pass, masked;
  logic [4:0]  overlap;
  logic [3:0]  window;
  logic [27:0] y_groups;

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
  assign groups       = code_q[spacc_card_pkg::FRunGroups +: 16];
  assign groups_b     = code_q[spacc_card_pkg::FRunGroupsB +: 16];
  assign k_x          = code_q[spacc_card_pkg::FRunKX +: 16];
  assign k_h          = code_q[spacc_card_pkg::FRunKH +: 16];
  assign k_b          = code_q[spacc_card_pkg::FRunKB +: 16];
  assign weight_base  = code_q[spacc_card_pkg::FRunWeightBase +: 32];
  assign param_base   = code_q[spacc_card_pkg::FRunParamBase +: 32];
  assign state_base   = code_q[spacc_card_pkg::FRunStateBase +: 32];
  assign x_words      = code_q[spacc_card_pkg::FRunXWords +: 16];
  assign m_words      = code_q[spacc_card_pkg::FRunMWords +: 16];
  assign h_words      = code_q[spacc_card_pkg::FRunHWords +: 16];
  assign h_base       = code_q[spacc_card_pkg::FRunHBase +: 16];
  assign prologue     = code_q[spacc_card_pkg::FRunPrologue +: 16];
  assign prologue_b   = code_q[spacc_card_pkg::FRunPrologueB +: 16];
  assign batch        = code_q[spacc_card_pkg::FRunBatch +: 8];
  assign x_slots      = code_q[spacc_card_pkg::FRunXSlots +: 8];
  assign ring_words   = code_q[spacc_card_pkg::FStreamRingWords +: 32];
  assign masked       = Queue > 0 && code_q[spacc_card_pkg::FRunMasked];
  assign overlap      = code_q[spacc_card_pkg::FRunOverlap +: 5];
  assign window       = code_q[spacc_card_pkg::FRunWindow +: 4];
  assign y_groups     = code_q[spacc_card_pkg::FRunYGroups +: 28];
  assign masked_o     = masked;

  assign is_load  = opcode == spacc_card_pkg::OpLoadWeights || opcode == spacc_card_pkg::OpLoadParams ||
                    opcode == spacc_card_pkg::OpLoadVector || opcode == spacc_card_pkg::OpLoadState;
  assign is_store = opcode == spacc_card_pkg::OpStoreState || opcode == spacc_card_pkg::OpMark;
  assign is_run    = opcode == spacc_card_pkg::OpRun;
  assign is_stream = opcode == spacc_card_pkg::OpStream;
  assign linear     = cell_type == {1'b0, spacc_card_pkg::CellLinear};
  assign reset_cell = cell_type == {1'b0, spacc_card_pkg::CellGruReset};
  assign lstmp      = cell_type == {1'b0, spacc_card_pkg::CellLstmp};
  assign two_pass   = reset_cell || lstmp;
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
      {x_region_bytes_o, x_ptr_o} <= region_of(x_region);
      {y_region_bytes_o, y_ptr_o} <= region_of(y_region);
    end
  end

  // ------------------------------------------------------------ checks
  // Check1: fields against memories, each small before anything is multiplied.
  // Check2: products. Check3: what the products must fit.
  logic        range_bad, run_bad1, run_bad3, memory_bad_q, bad_q;
  logic [31:0] memory_size;      // of the memory that a load or store goes to
  logic [31:0] units_q;          // units of a RUN, of one sequence
  logic [31:0] quads_b_q;        // quads of pass B
  logic [47:0] weight_need_q;
  logic [23:0] psum_need_q, slot_words_q, half_words_q, m_need_q;
  logic [31:0] x_need_q, state_need_q;
  logic [16:0] row_words_q;      // k_x + k_h
  logic [31:0] ring_slack;       // a batch frees no word of a group before its last sequence
  assign ring_slack = batch == 8'd1 ? 32'd0 : 32'(ChunkWords - 1);
  logic [47:0] bytes_q;
  logic [15:0] mask_beats_q;     // of a step
  logic [23:0] mask_need_q;

  always_comb begin
    case (opcode)
      spacc_card_pkg::OpLoadWeights: memory_size = 32'(WeightWords);
      spacc_card_pkg::OpLoadVector:  memory_size = 32'(HWords);
      default:                       memory_size = 32'(Units);
    endcase
    range_bad = region == 4'd0 || region > 4'd3;
    if (opcode == spacc_card_pkg::OpLoadWeights || is_stream)
      range_bad |= code_q[spacc_card_pkg::FLoadWeightsFormat +: 4] > (WeightBits == 16 ? 4'd1 : 4'd0);
    if (opcode == spacc_card_pkg::OpLoadState || opcode == spacc_card_pkg::OpStoreState)
      range_bad |= (count & 32'(BeatPieces - 1)) != 32'd0;
    if (opcode == spacc_card_pkg::OpLoadParams)
      range_bad |= (count[3:0] & 4'((BeatWords + 3) / 4 - 1)) != 4'd0;
    if (is_stream)
      range_bad |= count == 32'd0 || count > 32'h00ffffff || ring_words > 32'(WeightWords) ||
                   base > 32'(WeightWords) || base + ring_words > 32'(WeightWords) ||
                   ring_words < 32'(ChunkWords) || ring_words < 32'd2;
    else if (opcode != spacc_card_pkg::OpMark)
      range_bad |= count == 32'd0 || count > memory_size || base > memory_size ||
                   count + base > memory_size;
    if (is_store) range_bad |= region != 4'd3;

    run_bad1 = cell_type > 4'd4 || act_g == 2'd3 || act_h == 2'd3 ||
               x_region == 4'd0 || x_region > 4'd3 || y_region != 4'd3 ||
               batch == 8'd0 || (batch != 8'd1 && !Batches) ||
               steps == 32'd0 || groups == 16'd0 || groups > 16'(Units / Quads) ||
               k_x == 16'd0 || (linear ? k_h != 16'd0 : k_h == 16'd0) || x_words == 16'd0 ||
               x_words > 16'(XWords) || x_slots < 8'd2 || h_words > 16'(HWords) || h_base > 16'(HWords) ||
               m_words > 16'(HWords) || weight_base > 32'(WeightWords) ||
               param_base > 32'(Units) || state_base > 32'(Units) ||
               (param_base & 32'(Cells - 1)) != 32'd0 || (state_base & 32'(Cells - 1)) != 32'd0 ||
               prologue > groups || prologue > 16'(PsumWords) || prologue_b > prologue ||
               (prologue != 16'd0 && (linear || stream_o)) || (prologue_b != 16'd0 && !two_pass);
    if (two_pass) run_bad1 |= groups_b == 16'd0 || groups_b > 16'(Units / Quads) || k_b == 16'd0 || m_words == 16'd0;
    else          run_bad1 |= groups_b != 16'd0 || k_b != 16'd0 || m_words != 16'd0;
    if (reset_cell) run_bad1 |= groups_b != groups;
    if (!linear) run_bad1 |= h_words == 16'd0;
    if (masked)
      run_bad1 |= !linear || batch != 8'd1 || stream_o || x_slots > 8'd15 || window == 4'd0 ||
                  {3'd0, overlap} + {4'd0, window} > x_slots || y_groups == 28'd0 || y_groups >= 28'(YGroups);
    else if (code_q[spacc_card_pkg::FRunMasked])
      run_bad1 = 1'b1;

    run_bad3 = (prologue != 16'd0 && (psum_need_q < 24'd4 || psum_need_q > 24'(PsumWords))) ||
               x_need_q > 32'(XWords) || param_base + units_q + quads_b_q > 32'(Units);
    if (stream_o) run_bad3 |= weight_need_q != {16'd0, stream_words_o} ||
                              32'(row_words_q) + ring_slack > 32'(stream_ring_words_o) ||
                              32'(k_b) + ring_slack > 32'(stream_ring_words_o);
    else          run_bad3 |= 48'(weight_base) + weight_need_q > 48'(WeightWords);
    if (!linear)
      run_bad3 |= state_base + state_need_q > 32'(Units) ||
                  {8'd0, half_words_q} * 32'd2 + {8'd0, m_need_q} + {16'd0, h_base} > 32'(HWords) ||
                  {16'd0, h_words} * 32'(Lanes) < (lstmp ? quads_b_q << 2 : units_q);
    if (masked) run_bad3 |= mask_need_q > 24'(spacc_card_pkg::MaskBeats);
    if (two_pass) run_bad3 |= {16'd0, m_words} * 32'(Lanes) < units_q;
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Check1) begin
      memory_bad_q <= is_run ? run_bad1 : range_bad;
      row_words_q  <= {1'b0, k_x} + {1'b0, k_h};
      units_q      <= {16'd0, groups} * Quads;
      quads_b_q    <= {16'd0, groups_b} * Quads;
      psum_need_q  <= {8'd0, prologue} * {16'd0, batch};
      slot_words_q <= {8'd0, x_words} * {16'd0, batch};
      half_words_q <= {8'd0, h_words} * {16'd0, batch};
      m_need_q     <= {8'd0, m_words} * {16'd0, batch};
      mask_beats_q <= masked ? 16'((32'(groups) + 32'(MaskParts - 1)) / MaskParts) : 16'd0;
    end
    if (state_q == Check2) begin
      weight_need_q <= {32'd0, groups} * ({32'd0, k_x} + {32'd0, k_h}) + {32'd0, groups_b} * {32'd0, k_b};
      x_need_q      <= {8'd0, slot_words_q} * {24'd0, x_slots};
      state_need_q  <= units_q * {24'd0, batch};
      mask_need_q   <= {8'd0, mask_beats_q} * {16'd0, x_slots};
      case (opcode)
        spacc_card_pkg::OpLoadWeights,
        spacc_card_pkg::OpStream:      bytes_q <= wide_weights ? 48'(count) * (WordBytes * 2) : 48'(count) * WordBytes;
        spacc_card_pkg::OpLoadParams:  bytes_q <= 48'(count) << 5;
        spacc_card_pkg::OpLoadVector:  bytes_q <= 48'(count) * (Lanes * 2);
        spacc_card_pkg::OpMark:        bytes_q <= 48'(MarkBytes);
        default:                       bytes_q <= 48'(count) << 2;
      endcase
      address_q <= region_now[63:0] + {32'd0, offset};
    end
    // What a RUN needs besides its fields.
    if (state_q == Check3) begin
      x_bytes_o    <= {8'd0, slot_words_q} * (Lanes * 2) + ({16'd0, mask_beats_q} << BeatShift);
      y_beats_o    <= masked ? {4'd0, y_groups} << YShift : y_bytes_rounded >> BeatShift;
      h_base1_o    <= h_base[BaseWidth-1:0] + half_words_q[BaseWidth-1:0];
      m_base_o     <= h_base[BaseWidth-1:0] + {half_words_q[BaseWidth-2:0], 1'b0};
      slot_words_o <= slot_words_q[XWidth:0];
    end
  end
  assign bad_q         = memory_bad_q || (is_run && run_bad3);
  assign run_results_o = ResultWidth'(units_q >> $clog2(Cells));

  // Bytes of y of a step: 16 a quad of LINEAR, 8 of r, 2 a unit.
  logic [31:0] y_quads, y_bytes_rounded;
  assign y_quads         = lstmp ? quads_b_q * {24'd0, batch} : state_need_q;
  assign y_bytes_rounded = (linear ? y_quads << 4 : lstmp ? y_quads << 3 : y_quads << 1) + 32'(BeatBytes - 1);

  logic out_of_region;
  assign out_of_region = 48'(offset) + bytes_q > {16'd0, region_now[95:64]} || address_q[BeatShift-1:0] != '0;

  // STREAM, for the next RUN.
  always_ff @(posedge clk_i) begin
    if (state_q == Idle || (state_q == Run && run_done_i)) stream_o <= 1'b0;
    else if (state_q == Keep)                              stream_o <= 1'b1;
    if (state_q == Keep) begin
      stream_wide_o       <= wide_weights;
      stream_words_o      <= count;
      stream_address_o    <= address_q;
      stream_base_o       <= base[WordWidth-1:0];
      stream_ring_words_o <= ring_words[WordWidth:0];
      stream_ring_last_o  <= base[WordWidth-1:0] + ring_words[WordWidth-1:0] - 1'b1;
    end
  end

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
                    (state_q == Run && run_cause_i == 4'(spacc_card_pkg::CounterIssue));
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
      Decode: if (opcode > spacc_card_pkg::OpStream) begin
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

  // ------------------------------------------------------------ loads
  logic        load_beat, load_take, load_end;
  logic        half_q;         // second unit of a word of states
  logic [31:0] unit_q;
  logic [1:0]  row_q;

  // Weights and vectors go on a beat at a time, the rest a word at a time; states take a cycle
  // for each half of a word.
  assign load_beat = state_q == Load && read_valid_i &&
                     (opcode == spacc_card_pkg::OpLoadWeights || opcode == spacc_card_pkg::OpLoadVector);
  assign load_take = state_q == Load && read_valid_i && !load_beat &&
                     (opcode != spacc_card_pkg::OpLoadState || half_q);
  assign code_take = state_q == Fetch && read_valid_i;
  assign word_take = code_take || load_take;
  assign load_end  = load_beat ? read_last_i : load_take && word_last;
  assign read_ready_o = load_beat || (word_take && sel_end);

  assign weight_start_o = state_q == LoadCommand;
  assign weight_base_o  = base[WordWidth-1:0];
  assign weight_wide_o  = wide_weights;
  assign weight_beat_o  = load_beat && opcode == spacc_card_pkg::OpLoadWeights;
  assign fill_start_o   = state_q == LoadCommand;
  assign fill_base_o    = base[HWidth-1:0];
  assign fill_beat_o    = load_beat && opcode == spacc_card_pkg::OpLoadVector;

  always_ff @(posedge clk_i) begin
    pw_valid_o <= 4'd0;
    sw_valid_o <= 1'b0;
    if (rst_ni && load_take && opcode == spacc_card_pkg::OpLoadParams) begin
      pw_valid_o <= 4'd1 << row_q;
      pw_unit_o  <= unit_q[UnitWidth-1:0];
      pw_data_o  <= word[53:0];
    end
    if (rst_ni && state_q == Load && read_valid_i && opcode == spacc_card_pkg::OpLoadState) begin
      sw_valid_o <= 1'b1;
      sw_unit_o  <= unit_q[UnitWidth-1:0];
      sw_data_o  <= half_q ? word[55:32] : word[23:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Check1) begin
      unit_q <= base;
      row_q  <= 2'd0;
      half_q <= 1'b0;
    end else if (load_take && opcode == spacc_card_pkg::OpLoadParams) begin
      row_q <= row_q + 2'd1;
      if (row_q == 2'd3) unit_q <= unit_q + 32'd1;
    end else if (state_q == Load && read_valid_i && opcode == spacc_card_pkg::OpLoadState) begin
      half_q <= !half_q;
      unit_q <= unit_q + 32'd1;
    end else if (sr_valid_o) begin
      unit_q <= unit_q + 32'd1;
    end
  end

  // ------------------------------------------------------------ stores
  // 32-bit pieces, one a cycle, become beats, which a short queue holds for the bus. States
  // are read so early that the queue always has room for what has been read.
  logic                  mark, piece, piece_state_q, store_in, store_valid;
  logic [31:0]           pieces_left_q, piece_data;
  logic [4:0]            mark_step_q;
  logic [CounterBits-1:0] mark_q;
  logic [1023:0]         mark_words;
  logic [PieceWidth-1:0] piece_q;
  logic [AxiBits-33:0]   pack_q;       // without the next piece
  logic [AxiBits-1:0]    pack;
  logic [2:0]            store_level;
  logic                  store_room, stored, store_ready;

  assign mark       = opcode == spacc_card_pkg::OpMark;
  assign store_room = store_level < 3'd2;
  assign sr_valid_o = state_q == Store && !mark && pieces_left_q != 32'd0 && store_room;
  assign sr_unit_o  = unit_q[UnitWidth-1:0];
  assign piece      = mark ? state_q == Store && pieces_left_q != 32'd0 && store_room : piece_state_q;
  assign mark_words = {{(1024-CounterBits){1'b0}}, mark_q};
  assign piece_data = mark ? mark_words[32*mark_step_q +: 32] : {{8{sr_data_i[23]}}, sr_data_i};
  assign store_in   = piece && piece_q == PieceWidth'(BeatPieces - 1);
  assign stored     = write_valid_o && write_ready_i;
  assign pack       = {piece_data, pack_q};

  always_ff @(posedge clk_i) begin
    piece_state_q <= rst_ni && sr_valid_o;
    if (state_q == StoreCommand) begin
      mark_q        <= counters_o;
      mark_step_q   <= 5'd0;
      piece_q       <= '0;
      pieces_left_q <= bytes_q[33:2];
    end else begin
      if (mark ? piece : sr_valid_o) pieces_left_q <= pieces_left_q - 32'd1;
      if (piece) begin
        mark_step_q <= mark_step_q + 5'd1;
        piece_q     <= piece_q + 1'b1;
        pack_q      <= pack[AxiBits-1:32];
      end
    end
  end

  spacc_fifo #(.Width(AxiBits), .Depth(4)) u_store (
    .clk_i(clk_i), .rst_ni(rst_ni && state_q != StoreCommand),
    .in_valid_i(store_in), .in_ready_o(store_ready), .in_data_i(pack),
    .out_valid_o(store_valid), .out_ready_i(stored), .out_data_o(write_data_o), .level_o(store_level)
  );
  assign write_valid_o = store_valid && state_q == Store;

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && store_in) StoreFits: assert (store_ready) else $error("store queue overflow");
  end
`endif
  logic unused_ready;
  assign unused_ready = store_ready;

  logic [31:0] beats_left_q;   // of a store
  always_ff @(posedge clk_i) begin
    if (state_q == StoreCommand) beats_left_q <= beats;
    else if (stored)             beats_left_q <= beats_left_q - 32'd1;
  end

  logic [31:0] beats;
  assign beats = state_q == FetchCommand ? program_bytes_i >> BeatShift : 32'(bytes_q >> BeatShift);
  assign read_cmd_valid_o    = state_q == FetchCommand || state_q == LoadCommand;
  assign read_cmd_address_o  = state_q == FetchCommand ? program_ptr_i : address_q;
  assign read_cmd_beats_o    = beats;
  assign write_cmd_valid_o   = state_q == StoreCommand;
  assign write_cmd_address_o = address_q;
  assign write_cmd_beats_o   = beats;

  // ------------------------------------------------------------ the state machine
  assign run_start_o = state_q == Ready && !failed;
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
        Fetch:        if (code_take && word_last) state_q <= FetchEnd;
        FetchEnd:     if (read_idle_i) state_q <= ReadCode;
        ReadCode:     if (code_step_q == 4'd8) state_q <= Decode;
        Decode:       state_q <= opcode == spacc_card_pkg::OpEnd ? Finish : Check1;
        Check1:       state_q <= Check2;
        Check2:       state_q <= Check3;
        Check3:       state_q <= is_run ? Ready : is_stream ? Keep : is_load ? LoadCommand : StoreCommand;
        Ready:        state_q <= Run;
        Keep:         state_q <= ReadCode;
        LoadCommand:  if (read_cmd_ready_i) state_q <= Load;
        Load:         if (load_end) state_q <= LoadEnd;
        LoadEnd:      if (read_idle_i) state_q <= ReadCode;
        StoreCommand: if (write_cmd_ready_i) state_q <= Store;
        Store:        if (stored && beats_left_q == 32'd1) state_q <= StoreEnd;
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
    if ((state_q == LoadEnd && read_idle_i) || (state_q == StoreEnd && write_idle_i) ||
        (state_q == Run && run_done_i) || state_q == Keep) pc_q <= pc_q + 1'b1;
  end

  // ------------------------------------------------------------ counters
  logic [3:0] cause;
  always_comb begin
    case (state_q)
      Run:                                cause = run_cause_i;
      LoadCommand, Load, LoadEnd:         cause = 4'(spacc_card_pkg::CounterLoad);
      StoreCommand, Store, StoreEnd:      cause = mark ? 4'(spacc_card_pkg::CounterControl)
                                                       : 4'(spacc_card_pkg::CounterLoad);
      default:                            cause = 4'(spacc_card_pkg::CounterControl);
    endcase
  end

  // Positions of the group that is dealt, less those of the group that is begun.
  logic [63:0] saved;
  assign saved = (dealt_i ? {48'd0, k_x} : 64'd0) - (pop_i ? {48'd0, k_x} : 64'd0);

  for (genvar c = 0; c < spacc_card_pkg::Counters; c++) begin : gen_counter
    logic [63:0] count_q;
    logic        move;
    logic [7:0]  by;
    if (c == spacc_card_pkg::CounterCycles) begin : gen_cycles
      assign move = busy;
      assign by   = 8'd1;
    end else if (c == spacc_card_pkg::CounterGateSaturations) begin : gen_gate
      assign move = gate_cuts_i != 8'd0;
      assign by   = gate_cuts_i;
    end else if (c == spacc_card_pkg::CounterStateSaturations) begin : gen_state
      assign move = state_cuts_i != 8'd0;
      assign by   = state_cuts_i;
    end else if (c == spacc_card_pkg::CounterBytesRead) begin : gen_read
      assign move = read_beat_i && busy;
      assign by   = 8'(BeatBytes);
    end else if (c == spacc_card_pkg::CounterBytesWritten) begin : gen_written
      assign move = write_beat_i && busy;
      assign by   = 8'(BeatBytes);
    end else if (c == spacc_card_pkg::CounterRowsSkipped) begin : gen_skipped
      assign move = Queue > 0 && skipped_i != 8'd0;
      assign by   = skipped_i;
    end else if (c == spacc_card_pkg::CounterIssueSaved) begin : gen_saved
      assign move = Queue > 0 && masked && (dealt_i || pop_i);
      assign by   = 8'd0;
    end else begin : gen_cause
      assign move = busy && cause == 4'(c);
      assign by   = 8'd1;
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (state_q == Idle && start_i)) count_q <= 64'd0;
      else if (move)                               count_q <= count_q + (c == spacc_card_pkg::CounterIssueSaved ? saved : {56'd0, by});
    end
    assign counters_o[64*c +: 64] = count_q;
  end

`ifndef SYNTHESIS
  // Every busy cycle has one cause.
  always_ff @(posedge clk_i) begin
    if (rst_ni && state_q == Finish) begin
      CausesAddUp: assert (gen_counter[0].count_q == gen_counter[1].count_q + gen_counter[2].count_q
          + gen_counter[3].count_q + gen_counter[4].count_q + gen_counter[5].count_q
          + gen_counter[6].count_q + gen_counter[7].count_q + gen_counter[8].count_q)
        else $error("cycle causes do not add up");
    end
  end
`endif

endmodule
