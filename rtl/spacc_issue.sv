/// Issues the positions of a RUN, one a cycle, in the order that README.md gives.
///
///   Prologue  x parts of groups 0..P-1 into partial sums (first step; or what Early left)
///   Head      h parts of groups 0..P-1
///   Body      groups P.., x part then h part (LINEAR: x part)
///   Early     first part of the next step's prologue, before pass B
///   PassB     groups of pass B
///
/// A position waits for what it needs: its x (`x_ready_i`), the results of the step or pass
/// before (nothing under way), its streamed word, a group's last one also for the
/// cell unit (groups end at least Moves cycles apart) and for room behind it. `wait_*_o`
/// say why a cycle was lost.
///
/// Of a masked RUN spacc_deal says which rows come next, and when (`deal_ready_i`): a group is
/// what the PEs take together, and there is nothing but groups until `deal_end_i`.
///
/// `start_i` pulses with all fields checked and constant until the end or until `rst_ni` falls.
module spacc_issue #(
  parameter  int unsigned Moves       = 4,    // cycles in which a group's rows leave the array
  parameter  int unsigned RowCycles   = 1,    // times that in pass B of LSTMP
  parameter  int unsigned CellCycles  = 1,    // times that where rows go to cells
  parameter  int unsigned WordWidth   = 13,
  parameter  int unsigned BaseWidth   = 9,
  parameter  int unsigned PsumWidth   = 6
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,          // synchronous, active low: also a flush
  input  logic                   start_i,
  input  logic                   linear_i,
  input  logic                   two_pass_i,
  input  logic                   slow_b_i,        // pass B gives rows every RowCycles cycles
  input  logic [31:0]            steps_i,         // 1 or more
  input  logic [15:0]            groups_i,        // 1 or more
  input  logic [15:0]            groups_b_i,
  input  logic [15:0]            k_x_i,           // 1 or more
  input  logic [15:0]            k_h_i,
  input  logic [15:0]            k_b_i,
  input  logic [15:0]            prologue_i,      // P
  input  logic [15:0]            prologue_b_i,    // before pass B
  input  logic [7:0]             batch_i,         // 1 or more
  input  logic [BaseWidth-1:0]   x_words_i,
  input  logic [BaseWidth-1:0]   x_slot_words_i,  // batch * x_words
  input  logic [7:0]             x_slots_i,
  input  logic [BaseWidth-1:0]   h_words_i,
  input  logic [BaseWidth-1:0]   m_words_i,
  input  logic [BaseWidth-1:0]   h_base0_i,       // half 0
  input  logic [BaseWidth-1:0]   h_base1_i,
  input  logic [BaseWidth-1:0]   m_base_i,
  input  logic                   half_i,          // of the first step
  input  logic                   zero_i,
  input  logic [WordWidth-1:0]   weight_base_i,
  input  logic                   masked_i,        // LINEAR, batch 1
  input  logic                   stream_i,        // weights come through a ring
  input  logic [WordWidth-1:0]   ring_last_i,     // last word of it, weight_base_i is the first
  // what positions wait for
  input  logic                   x_ready_i,       // x of the step is there
  input  logic                   deal_ready_i,    // masked: rows are there for a group
  input  logic                   deal_end_i,      // masked: there are none left
  input  logic                   weight_ready_i,  // the next streamed word is there
  input  logic                   room_i,          // behind the cell unit
  input  logic                   result_i,        // rows have left cell unit or requantiser
  output logic [9:0]             under_way_o,     // results issued and not out
  // positions
  output logic                   issue_valid_o,
  output logic                   issue_first_o,
  output logic                   issue_from_psum_o,
  output logic                   issue_store_o,
  output logic                   issue_last_o,
  output logic                   issue_pop_o,     // masked: the PEs take their next rows
  output logic                   issue_h_o,
  output logic                   issue_zero_o,
  output logic [PsumWidth-1:0]   issue_psum_word_o,
  output logic [WordWidth-1:0]   issue_word_o,
  output logic [BaseWidth-1:0]   issue_base_o,
  output logic                   x_release_o,     // the slot of x is free
  output logic                   weight_take_o,   // a streamed word was used for sequence 0
  output logic                   weight_release_o, // and for the last one
  output logic                   pass_b_o,        // of the results that are under way
  output logic                   busy_o,          // positions are left
  output logic                   wait_drain_o,
  output logic                   wait_x_o,
  output logic                   wait_weights_o,
  output logic                   wait_apart_o
);

  localparam logic [7:0] Apart     = 8'(Moves - 1);
  localparam logic [7:0] ApartSlow = 8'(Moves * RowCycles - 1);
  localparam logic [7:0] ApartCell = 8'(Moves * CellCycles - 1);

  typedef enum logic [2:0] {Prologue, Head, Body, Early, PassB} phase_e;
  phase_e phase_q;

  logic                 busy_q, first_step_q, half_q;
  logic                 h_part_q;     // Body: h part of the group
  logic                 part_start_q; // the next position is the first of a part
  logic                 open_q;       // the results that h parts, or pass B, wait for are there
  logic                 pass_b_q;
  logic [31:0]          steps_left_q;
  logic [15:0]          groups_left_q, left_q;
  logic [7:0]           batch_left_q, slots_left_q;
  logic [WordWidth-1:0] word_q, group_word_q, pro_word_q, pass_b_word_q, main_word_q;
  logic [PsumWidth-1:0] pro_psum_q, head_psum_q;
  logic [BaseWidth-1:0] x_slot_q, x_base_q, h_base_q;
  logic [7:0]           apart_q;
  logic [9:0]           under_way_q;

  // ------------------------------------------------------------ where we are
  logic pro, x_part, h_part, capture_part, issue, part_end, group_end, batch_end, phase_end, step_end;
  logic more, has_body, early_is_all, has_early;

  assign pro          = phase_q == Prologue || phase_q == Early;
  assign x_part       = pro || (phase_q == Body && !h_part_q);
  assign h_part       = phase_q == Head || (phase_q == Body && h_part_q);
  assign capture_part = !pro && !(phase_q == Body && !h_part_q && !linear_i);
  assign part_end     = issue && left_q == 16'd1;
  assign group_end    = part_end && (capture_part || pro);
  assign batch_end    = group_end && batch_left_q == 8'd1;
  assign phase_end    = batch_end && groups_left_q == 16'd1 && !masked_i;
  assign more         = steps_left_q != 32'd1;
  assign has_body     = prologue_i != groups_i;
  assign has_early    = two_pass_i && prologue_b_i != 16'd0 && more;
  assign early_is_all = two_pass_i && prologue_b_i == prologue_i;
  assign step_end     = phase_end && (phase_q == PassB || (!two_pass_i && (phase_q == Body ||
                        (phase_q == Head && !has_body))));

  // ------------------------------------------------------------ waits
  logic wait_room, need_open;
  assign need_open      = (h_part || phase_q == PassB) && !open_q;
  assign wait_drain_o   = need_open && under_way_q != 10'd0;
  assign wait_x_o       = masked_i ? part_start_q && !deal_ready_i : x_part && !x_ready_i;
  assign wait_weights_o = stream_i && batch_left_q == batch_i && !weight_ready_i;
  assign wait_apart_o   = capture_part && left_q == 16'd1 && apart_q != 8'd0;
  assign wait_room      = capture_part && left_q == 16'd1 && !room_i;
  assign issue          = busy_q && !wait_drain_o && !wait_x_o && !wait_weights_o && !wait_apart_o && !wait_room;

  // ------------------------------------------------------------ the next phase
  phase_e after_a, next_phase, next_step;
  always_comb begin
    after_a = has_early ? Early : PassB;
    if (prologue_i == 16'd0)  next_step = Body;
    else if (early_is_all)    next_step = Head;
    else                      next_step = Prologue;
    case (phase_q)
      Prologue: next_phase = Head;
      Early:    next_phase = PassB;
      Head:     next_phase = has_body ? Body : two_pass_i ? after_a : next_step;
      Body:     next_phase = two_pass_i ? after_a : next_step;
      default:  next_phase = next_step;
    endcase
  end

  logic [15:0] next_groups, next_left, same_left;
  always_comb begin
    case (next_phase)
      Prologue: next_groups = two_pass_i ? prologue_i - prologue_b_i : prologue_i;
      Early:    next_groups = prologue_b_i;
      Head:     next_groups = prologue_i;
      Body:     next_groups = groups_i - prologue_i;
      default:  next_groups = groups_b_i;
    endcase
    case (next_phase)
      Head:    next_left = k_h_i;
      PassB:   next_left = k_b_i;
      default: next_left = k_x_i;
    endcase
    case (phase_q)
      Head:    same_left = k_h_i;
      PassB:   same_left = k_b_i;
      default: same_left = k_x_i;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
    end else if (start_i) begin
      busy_q <= 1'b1;
    end else if ((step_end && !more) || (masked_i && part_start_q && deal_end_i)) begin
      busy_q <= 1'b0;
    end

    if (start_i) begin
      phase_q       <= prologue_i != 16'd0 ? Prologue : Body;
      groups_left_q <= prologue_i != 16'd0 ? prologue_i : groups_i;
      left_q        <= k_x_i;
      batch_left_q  <= batch_i;
      steps_left_q  <= steps_i;
      h_part_q      <= 1'b0;
      part_start_q  <= 1'b1;
      first_step_q  <= 1'b1;
      half_q        <= half_i;
      open_q        <= 1'b0;
    end else if (issue) begin
      left_q       <= left_q - 16'd1;
      part_start_q <= 1'b0;
      if (part_end) begin
        left_q       <= group_end ? same_left : k_h_i;
        h_part_q     <= !group_end;
        part_start_q <= group_end;
      end
      if (group_end) batch_left_q  <= batch_end ? batch_i : batch_left_q - 8'd1;
      if (batch_end) groups_left_q <= groups_left_q - 16'd1;
      if (phase_end) begin
        phase_q       <= next_phase;
        groups_left_q <= next_groups;
        left_q        <= next_left;
      end
      if (need_open) open_q <= 1'b1;
      if (step_end || (phase_end && next_phase == PassB)) open_q <= 1'b0;
      if (step_end) begin
        steps_left_q <= steps_left_q - 32'd1;
        first_step_q <= 1'b0;
        half_q       <= !half_q;
      end
    end
  end

  // ------------------------------------------------------------ words
  // Streamed words come in order of issue (P = 0); the ring begins anew behind its last one.
  logic [WordWidth-1:0] next_word;
  assign next_word = stream_i && word_q == ring_last_i ? weight_base_i : word_q + 1'b1;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      word_q       <= weight_base_i;
      group_word_q <= weight_base_i;
      pro_word_q   <= weight_base_i;
      main_word_q  <= weight_base_i;
    end else if (issue) begin
      word_q <= next_word;
      if (group_end && !batch_end) word_q       <= group_word_q;
      if (batch_end)               group_word_q <= next_word;
      if (phase_end) begin
        case (phase_q)
          Prologue: begin
            pro_word_q <= weight_base_i;
            if (first_step_q) main_word_q <= next_word;
            if (!first_step_q) {word_q, group_word_q} <= {main_word_q, main_word_q};
          end
          Early: begin
            pro_word_q <= early_is_all ? weight_base_i : next_word;
            {word_q, group_word_q} <= {pass_b_word_q, pass_b_word_q};
          end
          default: begin
            pass_b_word_q <= next_word;
            if (next_phase == Early || next_phase == Prologue) {word_q, group_word_q} <= {pro_word_q, pro_word_q};
            else if (step_end && !stream_i)                    {word_q, group_word_q} <= {main_word_q, main_word_q};
          end
        endcase
      end
    end
  end

  // ------------------------------------------------------------ vectors and partial sums
  logic                 x_end, next_half, pro_end;
  logic [BaseWidth-1:0] next_slot, x_start, h_start;

  // The last part that reads x of a step.
  assign x_end     = phase_end && (has_body ? phase_q == Body
                                            : phase_q == Prologue || (phase_q == Early && early_is_all));
  assign pro_end   = phase_end && (phase_q == Prologue || (phase_q == Early && early_is_all));
  assign next_slot = slots_left_q == 8'd1 ? '0 : x_slot_q + x_slot_words_i;
  assign x_start   = x_end ? next_slot : x_slot_q;
  assign next_half = step_end ? !half_q : half_q;
  assign h_start   = (phase_end ? next_phase : phase_q) == PassB ? m_base_i : next_half ? h_base1_i : h_base0_i;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      x_slot_q     <= '0;
      x_base_q     <= '0;
      slots_left_q <= x_slots_i;
      h_base_q     <= half_i ? h_base1_i : h_base0_i;
      pro_psum_q   <= '0;
      head_psum_q  <= '0;
    end else if (issue) begin
      if (x_end) begin
        x_slot_q     <= next_slot;
        slots_left_q <= slots_left_q == 8'd1 ? x_slots_i : slots_left_q - 8'd1;
      end
      if (batch_end) begin
        x_base_q <= x_start;
        h_base_q <= h_start;
      end else if (group_end) begin
        x_base_q <= x_base_q + x_words_i;
        h_base_q <= h_base_q + (phase_q == PassB ? m_words_i : h_words_i);
      end
      if (pro_end)                          pro_psum_q  <= '0;
      else if (group_end && pro)            pro_psum_q  <= pro_psum_q + 1'b1;
      if (phase_end && phase_q == Head)     head_psum_q <= '0;
      else if (group_end && phase_q == Head) head_psum_q <= head_psum_q + 1'b1;
    end
  end

  // ------------------------------------------------------------ results under way
  logic capture;
  assign capture = group_end && capture_part;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || start_i)   apart_q <= 8'd0;
    else if (capture)         apart_q <= phase_q == PassB && slow_b_i ? ApartSlow : linear_i ? Apart : ApartCell;
    else if (apart_q != 8'd0) apart_q <= apart_q - 8'd1;

    if (!rst_ni) under_way_q <= 10'd0;
    else         under_way_q <= under_way_q + (capture ? 10'(Moves) : 10'd0) - {9'd0, result_i};

    if (start_i)                 pass_b_q <= 1'b0;
    else if (issue && need_open) pass_b_q <= phase_q == PassB;
  end

  assign under_way_o       = under_way_q;
  assign issue_valid_o     = issue;
  assign issue_first_o     = part_start_q;
  assign issue_from_psum_o = phase_q == Head;
  assign issue_store_o     = pro && left_q == 16'd1;
  assign issue_last_o      = capture_part && left_q == 16'd1;
  assign issue_pop_o       = issue && masked_i && part_start_q;
  assign issue_h_o         = !x_part;
  assign issue_zero_o      = zero_i && first_step_q && h_part;
  assign issue_psum_word_o = pro ? pro_psum_q : head_psum_q;
  assign issue_word_o      = word_q;
  assign issue_base_o      = x_part ? x_base_q : h_base_q;
  assign x_release_o       = x_end;
  assign weight_take_o     = issue && stream_i && batch_left_q == batch_i;
  assign weight_release_o  = issue && stream_i && batch_left_q == 8'd1;
  assign pass_b_o          = pass_b_q;
  assign busy_o            = busy_q;

endmodule
