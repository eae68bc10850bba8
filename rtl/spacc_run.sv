/// The RUN sequencer: issues the positions of every step, fetches x of the next step, and
/// sends y out. Three small machines that share the step counters:
///
///   x engine  checks an address, commands a read; the words go straight to the vector
///             memory (outside); at most one half ahead of the array
///   issue     a position a cycle; waits only before a group
///   y engine  checks an address, commands a write for each step; words come from y FIFO
///
/// `start_i` pulses with all fields checked (`spacc_control`) and constant until `done_o`
/// or until `rst_ni` falls. `cause_o` says where a cycle went.
module spacc_run #(
  parameter  int unsigned Pes         = 16,
  parameter  int unsigned Lanes       = 16,
  parameter  int unsigned WeightWords = 8192,
  parameter  int unsigned VectorWords = 512,
  parameter  int unsigned Units       = 2048,
  parameter  int unsigned FifoDepth   = 128,  // of y
  localparam int unsigned WordWidth   = $clog2(WeightWords),
  localparam int unsigned VectorWidth = $clog2(VectorWords),
  localparam int unsigned UnitWidth   = $clog2(Units),
  localparam int unsigned LevelWidth  = $clog2(FifoDepth + 1)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,        // synchronous, active low: also a flush
  // the instruction
  input  logic                   start_i,
  output logic                   done_o,
  input  logic                   linear_i,
  input  logic                   reset_cell_i,  // GRU_RESET: two passes
  input  logic [31:0]            steps_i,       // 1 or more
  input  logic [UnitWidth:0]     groups_i,      // 1 or more
  input  logic [UnitWidth:0]     units_i,       // groups * Pes / 4
  input  logic [15:0]            k_x_i,         // 1 or more
  input  logic [15:0]            k_h_i,         // 0 for LINEAR only
  input  logic [WordWidth-1:0]   weight_base_i,
  input  logic [VectorWidth:0]   x_words_i,     // 1 or more
  input  logic [VectorWidth-1:0] x_base_i,
  input  logic [VectorWidth:0]   h_words_i,
  input  logic [VectorWidth-1:0] h_base_i,
  input  logic [31:0]            x_offset_i,
  input  logic [31:0]            x_stride_i,
  input  logic [31:0]            y_offset_i,
  input  logic [31:0]            y_stride_i,
  input  logic [63:0]            x_ptr_i,       // region of x
  input  logic [31:0]            x_bytes_i,
  input  logic [63:0]            y_ptr_i,
  input  logic [31:0]            y_bytes_i,
  // positions
  output logic                   issue_valid_o,
  output logic                   issue_first_o,
  output logic                   issue_last_o,
  output logic [WordWidth-1:0]   issue_word_o,
  output logic [VectorWidth-1:0] issue_base_o,
  // of the pass under way behind the array; changes only while that is empty
  output logic                   pass_start_o,  // first group of a pass enters
  output logic                   pass_b_o,
  output logic [VectorWidth-1:0] h_write_base_o,
  input  logic                   quad_out_i,    // a quad has left cell unit or requantiser
  // x: read commands; the words come to `x_base` from fill_base_o on
  output logic                   x_cmd_valid_o,
  input  logic                   x_cmd_ready_i,
  output logic [63:0]            x_cmd_address_o,
  output logic [31:0]            x_cmd_beats_o,
  output logic [VectorWidth-1:0] x_fill_base_o, // with the command
  input  logic                   x_last_i,      // last word of a command was written
  // y: write commands and words
  output logic                   y_cmd_valid_o,
  input  logic                   y_cmd_ready_i,
  output logic [63:0]            y_cmd_address_o,
  output logic [31:0]            y_cmd_beats_o,
  input  logic [LevelWidth-1:0]  y_level_i,     // entries in the FIFO
  output logic                   y_take_o,      // words may go to the bus
  input  logic                   y_beat_i,      // a word went from the FIFO to the bus
  input  logic                   bus_idle_i,    // reads and writes
  // state
  output logic                   bad_address_o, // pulse
  output logic [63:0]            address_o,     // with bad_address_o
  output logic [2:0]             cause_o        // a counter number
);

  localparam int unsigned Quads = Pes / 4;

  logic running_q;

  // ------------------------------------------------------------ x engine
  // A fetch begins after the step that used its half has ended. Its first word is written
  // six cycles later at the earliest, the last read of the half comes three cycles later.
  typedef enum logic [1:0] {XIdle, XCheck, XCommand, XData} x_state_e;
  x_state_e               x_state_q;
  logic [31:0]            x_left_q;      // steps to fetch
  logic [31:0]            x_offset_q;
  logic                   x_half_q;
  logic [1:0]             x_ahead_q;     // halves taken: fetching, ready or read
  logic [1:0]             x_ready_q;     // halves ready or read
  logic                   step_end;      // last position of a step is issued
  logic [31:0]            x_size;        // bytes
  logic [63:0]            x_address_q;
  logic                   x_bad_q;
  logic                   x_take;

  assign x_size          = 32'(x_words_i) * 32'(2 * Lanes);
  assign x_take          = x_state_q == XIdle && running_q && x_left_q != 32'd0 && x_ahead_q != 2'd2;
  assign x_cmd_valid_o   = x_state_q == XCommand;
  assign x_cmd_address_o = x_address_q;
  assign x_cmd_beats_o   = x_size >> 3;
  assign x_fill_base_o   = x_half_q ? x_base_i + x_words_i[VectorWidth-1:0] : x_base_i;

  always_ff @(posedge clk_i) begin
    x_bad_q <= 1'b0;
    if (!rst_ni) begin
      x_state_q <= XIdle;
      x_ahead_q <= 2'd0;
      x_ready_q <= 2'd0;
    end else begin
      case (x_state_q)
        XIdle:    if (x_take) x_state_q <= XCheck;
        XCheck: begin
          x_address_q <= x_ptr_i + {32'd0, x_offset_q};
          if ({1'b0, x_offset_q} + {1'b0, x_size} > {1'b0, x_bytes_i} ||
              x_offset_q[2:0] + x_ptr_i[2:0] != 3'd0) begin
            x_bad_q   <= 1'b1;
            x_state_q <= XIdle;
          end else begin
            x_state_q <= XCommand;
          end
        end
        XCommand: if (x_cmd_ready_i) x_state_q <= XData;
        default:  if (x_last_i) x_state_q <= XIdle;
      endcase
      if (x_take && !step_end)      x_ahead_q <= x_ahead_q + 2'd1;
      else if (step_end && !x_take) x_ahead_q <= x_ahead_q - 2'd1;
      if (x_last_i && x_state_q == XData && !step_end)        x_ready_q <= x_ready_q + 2'd1;
      else if (step_end && !(x_last_i && x_state_q == XData)) x_ready_q <= x_ready_q - 2'd1;
    end
    if (start_i) begin
      x_left_q   <= steps_i;
      x_offset_q <= x_offset_i;
      x_half_q   <= 1'b0;
    end else if (x_state_q == XData && x_last_i) begin
      x_left_q   <= x_left_q - 32'd1;
      x_offset_q <= x_offset_q + x_stride_i;
      x_half_q   <= !x_half_q;
    end
  end

  // ------------------------------------------------------------ issue
  logic [31:0]            steps_left_q;
  logic [UnitWidth:0]     groups_left_q; // of the pass
  logic [15:0]            left_q;        // positions of the part, when inside a group
  logic                   inside_q;      // a group is under way
  logic                   h_part_q;
  logic                   pass_start_q;  // the next group is the first of a pass
  logic                   pass_b_q, parity_q;
  logic [WordWidth-1:0]   word_q;
  logic [7:0]             apart_q;       // cycles until a group may start
  logic [9:0]             inflight_q;    // quads issued and not out
  logic                   room_q;        // the FIFO takes two more groups
  logic                   issuing_q;     // groups are left

  logic        ready_start, issue, h_part, part_end, group_end, pass_end;
  logic        wait_drain, wait_x, wait_apart, wait_room;
  logic [15:0] left;

  assign wait_drain  = pass_start_q && !linear_i && inflight_q != 10'd0;
  assign wait_x      = pass_start_q && !pass_b_q && x_ready_q == 2'd0;
  assign wait_apart  = apart_q != 8'd0;
  assign wait_room   = !room_q;
  assign ready_start = !wait_drain && !wait_x && !wait_apart && !wait_room;
  assign issue       = issuing_q && (inside_q || ready_start);
  assign h_part      = inside_q ? h_part_q : pass_b_q;
  assign left        = inside_q ? left_q : pass_b_q ? k_h_i : k_x_i;
  assign part_end    = left == 16'd1;
  assign group_end   = part_end && (h_part || linear_i);
  assign pass_end    = group_end && groups_left_q == (UnitWidth+1)'(1);
  assign step_end    = issue && pass_end && (!reset_cell_i || pass_b_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      issuing_q <= 1'b0;
      inside_q  <= 1'b0;
    end else if (start_i) begin
      issuing_q <= 1'b1;
      inside_q  <= 1'b0;
    end else if (issue) begin
      inside_q <= !group_end;
      if (step_end && steps_left_q == 32'd1) issuing_q <= 1'b0;
    end

    if (start_i) begin
      steps_left_q  <= steps_i;
      groups_left_q <= groups_i;
      pass_start_q  <= 1'b1;
      pass_b_q      <= 1'b0;
      parity_q      <= 1'b0;
      word_q        <= weight_base_i;
    end else if (issue) begin
      left_q   <= part_end ? k_h_i : left - 16'd1;
      h_part_q <= h_part || part_end;
      word_q   <= word_q + 1'b1;
      if (group_end) groups_left_q <= groups_left_q - 1'b1;
      pass_start_q <= 1'b0;
      if (pass_end) begin
        groups_left_q <= groups_i;
        pass_start_q  <= 1'b1;
        pass_b_q      <= reset_cell_i && !pass_b_q;
      end
      if (step_end) begin
        steps_left_q <= steps_left_q - 32'd1;
        parity_q     <= !parity_q;
        word_q       <= weight_base_i;
      end
    end
  end

  // Distance of groups, quads under way, room for their y.
  logic group_start;
  assign group_start = issue && !inside_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || start_i)    apart_q <= 8'd0;
    else if (group_start)      apart_q <= 8'(Quads - 1);
    else if (apart_q != 8'd0)  apart_q <= apart_q - 8'd1;

    if (!rst_ni) inflight_q <= 10'd0;
    else inflight_q <= inflight_q + (group_start ? 10'(Quads) : 10'd0) - {9'd0, quad_out_i};
    room_q <= 10'(y_level_i) + inflight_q + 10'(2 * Quads + 4) <= 10'(FifoDepth);
  end

  assign issue_valid_o = issue;
  assign issue_first_o = !inside_q;
  assign issue_last_o  = group_end;
  assign issue_word_o  = word_q;

  // Vector parts; second halves follow the first.
  logic [VectorWidth-1:0] x_part_q, h_read_q, h_next_q, rh_q;
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      x_part_q <= x_base_i;
      h_read_q <= h_base_i;
      h_next_q <= h_base_i + h_words_i[VectorWidth-1:0];
      rh_q     <= h_base_i + (h_words_i[VectorWidth-1:0] << 1);
    end else if (step_end) begin
      x_part_q <= parity_q ? x_base_i : x_base_i + x_words_i[VectorWidth-1:0];
      h_read_q <= h_next_q;
      h_next_q <= h_read_q;
    end
  end
  assign issue_base_o = !h_part ? x_part_q : pass_b_q ? rh_q : h_read_q;

  // What the units behind the array go by: set as a pass enters, when they are empty
  // (LINEAR never changes it).
  assign pass_start_o = issue && pass_start_q;
  always_ff @(posedge clk_i) begin
    if (pass_start_o) begin
      pass_b_o       <= pass_b_q;
      h_write_base_o <= reset_cell_i && !pass_b_q ? rh_q : h_next_q;
    end
  end

  // ------------------------------------------------------------ y engine
  typedef enum logic [1:0] {YIdle, YCheck, YCommand, YData} y_state_e;
  y_state_e    y_state_q;
  logic [31:0] y_left_q, y_offset_q, y_beats, y_beats_left_q;
  logic [63:0] y_address_q;
  logic        y_bad_q;

  assign y_beats         = linear_i ? 32'(units_i) << 1 : (32'(units_i) + 32'd3) >> 2;
  assign y_cmd_valid_o   = y_state_q == YCommand;
  assign y_cmd_address_o = y_address_q;
  assign y_cmd_beats_o   = y_beats;
  assign y_take_o        = y_state_q == YData;

  always_ff @(posedge clk_i) begin
    y_bad_q <= 1'b0;
    if (!rst_ni) begin
      y_state_q <= YIdle;
    end else begin
      case (y_state_q)
        YIdle: if (running_q && y_left_q != 32'd0) y_state_q <= YCheck;
        YCheck: begin
          y_address_q <= y_ptr_i + {32'd0, y_offset_q};
          if ({1'b0, y_offset_q} + {1'b0, y_beats << 3} > {1'b0, y_bytes_i} ||
              y_offset_q[2:0] + y_ptr_i[2:0] != 3'd0) begin
            y_bad_q   <= 1'b1;
            y_state_q <= YIdle;
          end else begin
            y_state_q <= YCommand;
          end
        end
        YCommand: if (y_cmd_ready_i) y_state_q <= YData;
        default:  if (y_beat_i && y_beats_left_q == 32'd1) y_state_q <= YIdle;
      endcase
    end
    if (start_i) begin
      y_left_q   <= steps_i;
      y_offset_q <= y_offset_i;
    end else if (y_state_q == YCommand && y_cmd_ready_i) begin
      y_left_q       <= y_left_q - 32'd1;
      y_offset_q     <= y_offset_q + y_stride_i;
      y_beats_left_q <= y_beats;
    end else if (y_beat_i) begin
      y_beats_left_q <= y_beats_left_q - 32'd1;
    end
  end

  // ------------------------------------------------------------ end and causes
  logic [2:0] rest_q; // cycles in which everything has been at rest

  always_ff @(posedge clk_i) begin
    done_o <= 1'b0;
    if (!rst_ni) begin
      running_q <= 1'b0;
      rest_q    <= 3'd0;
    end else if (start_i) begin
      running_q <= 1'b1;
      rest_q    <= 3'd0;
    end else if (running_q) begin
      if (issuing_q || inflight_q != 10'd0 || y_state_q != YIdle || y_left_q != 32'd0 || !bus_idle_i)
        rest_q <= 3'd0;
      else
        rest_q <= rest_q + 3'd1;
      if (rest_q == 3'd4) begin
        running_q <= 1'b0;
        done_o    <= 1'b1;
      end
    end
  end

  always_comb begin
    cause_o = 3'(spacc_card_pkg::CounterOut);
    if (issue)                                     cause_o = 3'(spacc_card_pkg::CounterIssue);
    else if (!issuing_q)                           cause_o = inflight_q != 10'd0 ? 3'(spacc_card_pkg::CounterDrain)
                                                                                 : 3'(spacc_card_pkg::CounterOut);
    else if (wait_drain)                           cause_o = 3'(spacc_card_pkg::CounterDrain);
    else if (wait_x)                               cause_o = 3'(spacc_card_pkg::CounterXWait);
    else if (wait_apart)                           cause_o = 3'(spacc_card_pkg::CounterCell);
  end

  assign bad_address_o = x_bad_q || y_bad_q;
  assign address_o     = x_bad_q ? x_address_q : y_address_q;

  logic unused_bits;
  assign unused_bits = ^{x_words_i[VectorWidth], h_words_i[VectorWidth]};

`ifndef SYNTHESIS
  initial assert (FifoDepth >= 3 * Quads + 64) else $fatal(1, "FifoDepth must cover the pipeline");
`endif

endmodule
